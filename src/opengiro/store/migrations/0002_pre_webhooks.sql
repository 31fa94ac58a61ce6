-- Where merchants hear of moves, and every event on its way there. A delivery is a row made in the transaction of its
-- move, so none can be lost between two systems; the table is the queue.

CREATE TABLE webhook_auths (
    merchant_id BIGINT NOT NULL REFERENCES merchants,
    auth_id     BIGINT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    sealed      BYTEA NOT NULL,
    created_us  BIGINT NOT NULL,
    deleted_us  BIGINT,
    PRIMARY KEY (merchant_id, auth_id)
);

CREATE TABLE webhooks (
    merchant_id     BIGINT NOT NULL REFERENCES merchants,
    webhook_id      BIGINT NOT NULL,
    dialect         TEXT NOT NULL,
    topic           TEXT NOT NULL,
    url             TEXT NOT NULL,
    auth_id         BIGINT,
    created_us      BIGINT NOT NULL,
    updated_us      BIGINT NOT NULL,
    deleted_us      BIGINT,
    disabled_us     BIGINT,
    failures        INTEGER NOT NULL DEFAULT 0,
    timeouts        INTEGER NOT NULL DEFAULT 0,
    pauses          INTEGER NOT NULL DEFAULT 0,
    paused_until_us BIGINT,
    PRIMARY KEY (merchant_id, webhook_id),
    FOREIGN KEY (merchant_id, auth_id) REFERENCES webhook_auths
);
-- The same URL registered twice would hear everything twice.
CREATE UNIQUE INDEX webhooks_one_per_url ON webhooks (merchant_id, topic, url) WHERE deleted_us IS NULL;

-- One event for one endpoint. A test delivery stands for no payment: its payment_id is negative.
-- The body is sealed, and saved before the first attempt, so every retry sends the same bytes under the same data_id.
-- fence counts claims: whoever was claimed over can no longer say how it ended.
CREATE TABLE deliveries (
    merchant_id     BIGINT NOT NULL,
    webhook_id      BIGINT NOT NULL,
    payment_id      BIGINT NOT NULL,
    ordinal         INTEGER NOT NULL,
    stage           TEXT NOT NULL DEFAULT 'waiting',
    created_us      BIGINT NOT NULL,
    due_us          BIGINT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    fence           INTEGER NOT NULL DEFAULT 0,
    leased_until_us BIGINT,
    data_id         BIGINT,
    sealed          BYTEA,
    PRIMARY KEY (merchant_id, webhook_id, payment_id, ordinal),
    FOREIGN KEY (merchant_id, webhook_id) REFERENCES webhooks
);
CREATE UNIQUE INDEX deliveries_by_data ON deliveries (merchant_id, data_id) WHERE data_id IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (merchant_id, webhook_id, due_us) WHERE stage = 'waiting';
CREATE INDEX deliveries_leased ON deliveries (leased_until_us) WHERE stage = 'sending';
CREATE INDEX deliveries_parked ON deliveries (merchant_id, webhook_id) WHERE stage = 'parked';
CREATE INDEX deliveries_by_date ON deliveries (merchant_id, webhook_id, created_us);

CREATE TABLE delivery_tries (
    merchant_id BIGINT NOT NULL,
    webhook_id  BIGINT NOT NULL,
    payment_id  BIGINT NOT NULL,
    ordinal     INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    at_us       BIGINT NOT NULL,
    status      INTEGER,
    failure     TEXT,
    duration_ms INTEGER NOT NULL,
    sealed      BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, webhook_id, payment_id, ordinal, attempt),
    FOREIGN KEY (merchant_id, webhook_id, payment_id, ordinal) REFERENCES deliveries ON DELETE CASCADE
);
CREATE INDEX delivery_tries_by_date ON delivery_tries (merchant_id, webhook_id, at_us);
