-- The first tables. Every tenant-owned table leads its primary key with merchant_id, and every query names it:
-- one rule that is isolation today and sharding tomorrow. Instants are microseconds since 1970 UTC (*_us).
-- Columns named sealed hold AES-256-GCM ciphertext; columns named *_index hold a keyed hash that only finds equals.

CREATE TABLE merchants (
    merchant_id     BIGINT PRIMARY KEY,
    domain          TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    legal_name      TEXT NOT NULL,
    zone            TEXT NOT NULL,
    clock_offset_us BIGINT NOT NULL DEFAULT 0,
    created_us      BIGINT NOT NULL
);

CREATE TABLE settings (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    updated_us  BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, key)
);

CREATE TABLE audit (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    audit_id    BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    was         TEXT,
    became      TEXT,
    PRIMARY KEY (merchant_id, audit_id)
);

CREATE TABLE applications (
    merchant_id   BIGINT NOT NULL REFERENCES merchants,
    client_id     TEXT NOT NULL,
    name          TEXT NOT NULL,
    secret_hash   BYTEA NOT NULL,
    redirect_uris TEXT NOT NULL,
    config        TEXT NOT NULL DEFAULT '{}',
    created_us    BIGINT NOT NULL,
    deleted_us    BIGINT,
    PRIMARY KEY (merchant_id, client_id)
);

CREATE TABLE tokens (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    token_hash  BYTEA NOT NULL,
    client_id   TEXT,
    payment_id  BIGINT,
    rights      TEXT NOT NULL,
    expires_us  BIGINT,
    revoked_us  BIGINT,
    PRIMARY KEY (merchant_id, token_hash)
);

CREATE TABLE payments (
    merchant_id       BIGINT NOT NULL REFERENCES merchants,
    payment_id        BIGINT NOT NULL,
    guid              TEXT NOT NULL,
    client_id         TEXT NOT NULL,
    dialect           TEXT NOT NULL,
    state             TEXT NOT NULL,
    version           INTEGER NOT NULL,
    created_us        BIGINT NOT NULL,
    expires_us        BIGINT NOT NULL,
    validated_us      BIGINT,
    amount_minor      BIGINT NOT NULL CHECK (amount_minor > 0),
    currency          TEXT NOT NULL,
    execution         TEXT NOT NULL,
    instruction_count INTEGER NOT NULL,
    redirect_uri      TEXT,
    client_state      TEXT,
    order_code        TEXT,
    account_id        TEXT,
    bank_id           TEXT,
    bank_locked       BOOLEAN NOT NULL DEFAULT FALSE,
    country           TEXT,
    cancelling        BOOLEAN NOT NULL DEFAULT FALSE,
    reason            TEXT,
    bank_message      TEXT,
    bank_payment_id   TEXT,
    moved             INTEGER NOT NULL DEFAULT 0,
    payer_index       BYTEA,
    sealed            BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, payment_id)
);
CREATE INDEX payments_by_guid ON payments (merchant_id, guid);
CREATE INDEX payments_by_order ON payments (merchant_id, order_code);
CREATE INDEX payments_by_date ON payments (merchant_id, created_us);
-- Only payments that can still expire are looked at by the expiry worker.
CREATE INDEX payments_open ON payments (expires_us) WHERE state IN ('created', 'validating', 'pending');

CREATE TABLE instructions (
    merchant_id    BIGINT NOT NULL,
    payment_id     BIGINT NOT NULL,
    ordinal        INTEGER NOT NULL,
    reference_id   TEXT NOT NULL,
    amount_minor   BIGINT NOT NULL CHECK (amount_minor > 0),
    currency       TEXT NOT NULL,
    label          TEXT NOT NULL,
    execution_date TEXT,
    state          TEXT,
    payee_index    BYTEA NOT NULL,
    sealed         BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, payment_id, ordinal),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);

-- A move is a row, and the row is the event. Two writers that decide from the same state meet here:
-- the second finds its ordinal taken.
CREATE TABLE moves (
    merchant_id  BIGINT NOT NULL,
    payment_id   BIGINT NOT NULL,
    ordinal      INTEGER NOT NULL,
    origin       TEXT,
    trigger_name TEXT,
    target       TEXT NOT NULL,
    at_us        BIGINT NOT NULL,
    reason       TEXT,
    bank_message TEXT,
    said         TEXT,
    PRIMARY KEY (merchant_id, payment_id, ordinal),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);

CREATE TABLE attempts (
    merchant_id     BIGINT NOT NULL,
    payment_id      BIGINT NOT NULL,
    ordinal         INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    bank_id         TEXT NOT NULL,
    phase           TEXT NOT NULL,
    request_id      TEXT NOT NULL,
    ticket_hash     BYTEA NOT NULL,
    started_us      BIGINT NOT NULL,
    ends_us         BIGINT NOT NULL,
    confirm_by_us   BIGINT,
    asked           INTEGER NOT NULL DEFAULT 0,
    next_ask_us     BIGINT,
    bank_payment_id TEXT,
    said            TEXT,
    sca             TEXT,
    sealed          BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, payment_id, ordinal),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);
-- No second attempt starts while one may still pay.
CREATE UNIQUE INDEX attempts_one_live ON attempts (merchant_id, payment_id) WHERE phase <> 'ended';
CREATE UNIQUE INDEX attempts_by_ticket ON attempts (merchant_id, ticket_hash);
CREATE INDEX attempts_due ON attempts (next_ask_us) WHERE phase <> 'ended' AND next_ask_us IS NOT NULL;

CREATE TABLE idempotency_keys (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    client_id   TEXT NOT NULL,
    route       TEXT NOT NULL,
    key         TEXT NOT NULL,
    digest      BYTEA NOT NULL,
    claimed_us  BIGINT NOT NULL,
    expires_us  BIGINT NOT NULL,
    status      INTEGER,
    sealed      BYTEA,
    PRIMARY KEY (merchant_id, client_id, route, key)
);
CREATE INDEX idempotency_keys_old ON idempotency_keys (expires_us);

CREATE TABLE sessions (
    merchant_id  BIGINT NOT NULL,
    handle       TEXT NOT NULL,
    secret_hash  BYTEA NOT NULL,
    payment_id   BIGINT NOT NULL,
    dialect      TEXT NOT NULL,
    language     TEXT,
    redirect_uri TEXT,
    client_state TEXT,
    expires_us   BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, handle),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);

CREATE TABLE terms_accepted (
    merchant_id BIGINT NOT NULL,
    payment_id  BIGINT NOT NULL,
    terms_id    BIGINT NOT NULL,
    at_us       BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, payment_id, terms_id)
);

-- The directory is shared by all merchants: a reference table, no tenant.
CREATE TABLE banks (
    bank_id   TEXT PRIMARY KEY,
    number    INTEGER NOT NULL UNIQUE,
    connector TEXT NOT NULL,
    entry     TEXT NOT NULL
);

-- What the law of the house is, whoever writes: no exit from a final state, no change of the agreement.
-- only sqlite
CREATE TRIGGER payments_final_has_no_exit BEFORE UPDATE OF state ON payments
WHEN OLD.state IN ('done', 'accepted', 'rejected', 'expired', 'partial') AND NEW.state <> OLD.state
BEGIN SELECT RAISE(ABORT, 'a final state has no exit'); END;
CREATE TRIGGER payments_amount_is_fixed BEFORE UPDATE OF amount_minor, currency ON payments
BEGIN SELECT RAISE(ABORT, 'the amount of a payment is fixed'); END;
CREATE TRIGGER instructions_are_fixed
BEFORE UPDATE OF amount_minor, currency, label, reference_id, execution_date, sealed ON instructions
BEGIN SELECT RAISE(ABORT, 'an instruction is fixed'); END;
-- only postgres
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0];
END $$;
CREATE TRIGGER payments_final_has_no_exit BEFORE UPDATE OF state ON payments FOR EACH ROW
WHEN (OLD.state IN ('done', 'accepted', 'rejected', 'expired', 'partial') AND NEW.state <> OLD.state)
EXECUTE FUNCTION refuse('a final state has no exit');
CREATE TRIGGER payments_amount_is_fixed BEFORE UPDATE OF amount_minor, currency ON payments FOR EACH ROW
EXECUTE FUNCTION refuse('the amount of a payment is fixed');
CREATE TRIGGER instructions_are_fixed
BEFORE UPDATE OF amount_minor, currency, label, reference_id, execution_date, sealed ON instructions FOR EACH ROW
EXECUTE FUNCTION refuse('an instruction is fixed');
