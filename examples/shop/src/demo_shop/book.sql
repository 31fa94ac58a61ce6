CREATE TABLE IF NOT EXISTS carts (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS cart_lines (
    cart_id TEXT NOT NULL REFERENCES carts (id),
    product TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    UNIQUE (cart_id, product)
) STRICT;

-- A cart that did not change is one order, however often its button is pressed.
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    cart_id TEXT NOT NULL,
    cart_version INTEGER NOT NULL,
    currency TEXT NOT NULL,
    total_minor INTEGER NOT NULL CHECK (total_minor > 0),
    created_at TEXT NOT NULL,
    paid_at TEXT,
    attention TEXT,
    UNIQUE (cart_id, cart_version)
) STRICT;

CREATE TABLE IF NOT EXISTS order_lines (
    order_id TEXT NOT NULL REFERENCES orders (id),
    product TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_minor INTEGER NOT NULL,
    PRIMARY KEY (order_id, product)
) STRICT;

-- One wire counts its payments and the other gives them guids; the types keep them apart.
CREATE TABLE IF NOT EXISTS tries (
    order_id TEXT NOT NULL REFERENCES orders (id),
    ordinal INTEGER NOT NULL,
    execution TEXT NOT NULL,
    payment_id ANY UNIQUE,
    state TEXT NOT NULL,
    error_code TEXT,
    looks INTEGER NOT NULL DEFAULT 0,
    next_look_s INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, ordinal)
) STRICT;

CREATE TABLE IF NOT EXISTS order_events (
    ordinal INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders (id),
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS order_events_of_order ON order_events (order_id, ordinal);

CREATE TABLE IF NOT EXISTS signing_secrets (
    ordinal INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    provider_id INTEGER NOT NULL,
    secret TEXT NOT NULL
) STRICT;
