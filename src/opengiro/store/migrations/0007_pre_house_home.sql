-- Which database this house knows as its own, and since when and why it is held, if it is: then it takes, asks and sends
-- nothing. A copy of a database says the same of itself and lives elsewhere, and that is how it is known.
CREATE TABLE home (
    only_one    INTEGER PRIMARY KEY CHECK (only_one = 1),
    place       TEXT NOT NULL,
    restored_to TEXT NOT NULL,
    held_us     BIGINT,
    reason      TEXT,
    CHECK ((held_us IS NULL) = (reason IS NULL))
);
