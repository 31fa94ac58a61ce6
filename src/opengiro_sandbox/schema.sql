CREATE TABLE IF NOT EXISTS payments (
    id           TEXT PRIMARY KEY,
    bank         TEXT NOT NULL,
    product      TEXT NOT NULL,
    request_id   TEXT NOT NULL,
    order_json   TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    nok_uri      TEXT NOT NULL,
    received_at  TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    debtor_iban  TEXT NOT NULL,
    approved_at  TEXT,
    rejected_at  TEXT,
    reason       TEXT NOT NULL DEFAULT '',
    cancelled_at TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS payments_by_bank ON payments (bank);

CREATE TABLE IF NOT EXISTS authorisations (
    id           TEXT PRIMARY KEY,
    payment_id   TEXT NOT NULL REFERENCES payments (id),
    cancels      INTEGER NOT NULL,
    token        TEXT NOT NULL UNIQUE,
    redirect_uri TEXT NOT NULL,
    nok_uri      TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    opened_at    TEXT,
    account      TEXT NOT NULL DEFAULT '',
    decided_at   TEXT,
    approved     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX IF NOT EXISTS authorisations_by_payment ON authorisations (payment_id);
CREATE INDEX IF NOT EXISTS authorisations_waiting ON authorisations (started_at) WHERE decided_at IS NULL;

-- The key lets a payment leave an account once and come back once, whatever races.
CREATE TABLE IF NOT EXISTS entries (
    payment_id TEXT NOT NULL REFERENCES payments (id),
    kind       TEXT NOT NULL CHECK (kind IN ('debit', 'release')),
    iban       TEXT NOT NULL,
    minor      INTEGER NOT NULL,
    PRIMARY KEY (payment_id, kind)
) STRICT;

CREATE INDEX IF NOT EXISTS entries_by_iban ON entries (iban);

-- When a standing order is executed next; without a time, never again.
CREATE TABLE IF NOT EXISTS standing_orders (
    payment_id TEXT PRIMARY KEY REFERENCES payments (id),
    next_at    TEXT
) STRICT;

CREATE INDEX IF NOT EXISTS standing_orders_by_time ON standing_orders (next_at) WHERE next_at IS NOT NULL;

-- The key lets a date leave an account once, whatever races; one that was refused takes nothing.
CREATE TABLE IF NOT EXISTS executions (
    payment_id  TEXT NOT NULL REFERENCES payments (id),
    due         TEXT NOT NULL,
    executed_at TEXT NOT NULL,
    iban        TEXT NOT NULL,
    minor       INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (payment_id, due)
) STRICT;

CREATE INDEX IF NOT EXISTS executions_by_iban ON executions (iban);

CREATE TABLE IF NOT EXISTS health (
    bank   TEXT PRIMARY KEY,
    health TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS clock (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    ahead_micros INTEGER NOT NULL
) STRICT;
