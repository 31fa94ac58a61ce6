-- A claim hands a checkout over to another device, once and within minutes. Its id is the hash of its secret. handle
-- is the session it was offered in, whose way back to the shop the other device inherits.
CREATE TABLE claims (
    merchant_id BIGINT NOT NULL,
    claim_id    BYTEA NOT NULL,
    payment_id  BIGINT NOT NULL,
    handle      TEXT,
    expires_us  BIGINT NOT NULL,
    taken_us    BIGINT,
    PRIMARY KEY (merchant_id, claim_id),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);
CREATE INDEX claims_by_payment ON claims (merchant_id, payment_id);

-- A directory: neither what a camera reads nor what a payer types names a merchant.
CREATE TABLE claim_codes (
    code_index  BYTEA PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    claim_id    BYTEA NOT NULL
);
CREATE INDEX claim_codes_by_claim ON claim_codes (merchant_id, claim_id);
