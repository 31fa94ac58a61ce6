-- A book from before the second wire: its tries know numbers only.
BEGIN IMMEDIATE;
ALTER TABLE tries RENAME TO tries_before;
CREATE TABLE tries (
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
INSERT INTO tries SELECT * FROM tries_before;
DROP TABLE tries_before;
COMMIT;
