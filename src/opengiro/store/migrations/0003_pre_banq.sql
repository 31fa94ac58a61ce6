-- What a wire with accounts, users and links needs: spaces of accounts, logins, refresh tokens, short links, and
-- deliveries that tell of a payment and its transactions to one endpoint per space.

CREATE TABLE account_spaces (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    space_id    TEXT NOT NULL,
    platform_id TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    company     TEXT,
    PRIMARY KEY (merchant_id, space_id)
);

CREATE TABLE accounts (
    merchant_id      BIGINT NOT NULL,
    account_id       TEXT NOT NULL,
    number           BIGINT NOT NULL,
    custodial_number BIGINT NOT NULL,
    space_id         TEXT NOT NULL,
    name             TEXT NOT NULL,
    currency         TEXT NOT NULL,
    sealed           BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, account_id),
    FOREIGN KEY (merchant_id, space_id) REFERENCES account_spaces
);
CREATE UNIQUE INDEX accounts_by_number ON accounts (merchant_id, number);

CREATE TABLE users (
    merchant_id   BIGINT NOT NULL REFERENCES merchants,
    user_id       TEXT NOT NULL,
    number        BIGINT NOT NULL,
    client_id     TEXT,
    password_hash TEXT NOT NULL,
    sealed        BYTEA NOT NULL,
    created_us    BIGINT NOT NULL,
    deleted_us    BIGINT,
    PRIMARY KEY (merchant_id, user_id)
);

CREATE TABLE user_spaces (
    merchant_id BIGINT NOT NULL,
    user_id     TEXT NOT NULL,
    space_id    TEXT NOT NULL,
    PRIMARY KEY (merchant_id, user_id, space_id),
    FOREIGN KEY (merchant_id, user_id) REFERENCES users,
    FOREIGN KEY (merchant_id, space_id) REFERENCES account_spaces
);

-- A refresh token is used once and replaced by the next of its family; whoever uses one twice ends the family.
CREATE TABLE refresh_tokens (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    token_hash  BYTEA NOT NULL,
    family      TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    audience    TEXT NOT NULL,
    expires_us  BIGINT NOT NULL,
    used_us     BIGINT,
    revoked_us  BIGINT,
    PRIMARY KEY (merchant_id, token_hash)
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (merchant_id, family);

-- Directories: the two tables that are asked before anybody knows whose request it is. They are small, hold no more
-- than keyed hashes and where to look next, and stay whole when everything else is spread over machines.
CREATE TABLE logins (
    username_index BYTEA PRIMARY KEY,
    merchant_id    BIGINT NOT NULL REFERENCES merchants,
    user_id        TEXT NOT NULL
);
CREATE TABLE link_codes (
    code_index  BYTEA PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    payment_id  BIGINT NOT NULL
);

-- The code is sealed: whoever has it can open the payment's page.
CREATE TABLE links (
    merchant_id BIGINT NOT NULL,
    payment_id  BIGINT NOT NULL,
    sealed      BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, payment_id),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);

CREATE INDEX payments_by_account ON payments (merchant_id, account_id, created_us) WHERE account_id IS NOT NULL;

-- A webhook of a space hears of payments to that space's accounts. retries counts the attempts after the first; null
-- is the schedule of webhooks without one. kinds is what its owner wrote, hears what of it we know, between spaces.
ALTER TABLE webhooks ADD COLUMN space_id TEXT;
ALTER TABLE webhooks ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE webhooks ADD COLUMN retries INTEGER;
ALTER TABLE webhooks ADD COLUMN kinds TEXT NOT NULL DEFAULT '[]';
ALTER TABLE webhooks ADD COLUMN hears TEXT NOT NULL DEFAULT '';
DROP INDEX webhooks_one_per_url;
CREATE UNIQUE INDEX webhooks_one_per_url ON webhooks (merchant_id, topic, url)
    WHERE deleted_us IS NULL AND space_id IS NULL;
CREATE UNIQUE INDEX webhooks_one_per_space ON webhooks (merchant_id, space_id)
    WHERE deleted_us IS NULL AND space_id IS NOT NULL;

-- Where one move makes several events, ordinal counts the events of the payment for this endpoint, and about names
-- what each of them tells of.
ALTER TABLE deliveries ADD COLUMN about TEXT;
