-- Recurring payments. The agreed dates belong to the instruction; a schedule says how far they have been followed since
-- the payer's consent; an occurrence is one date's transfer, with moves of its own that are its events.

ALTER TABLE instructions ADD COLUMN start_date TEXT;
ALTER TABLE instructions ADD COLUMN end_date TEXT;
ALTER TABLE instructions ADD COLUMN frequency TEXT;
-- only sqlite
CREATE TRIGGER instructions_recurrence_is_fixed
BEFORE UPDATE OF start_date, end_date, frequency ON instructions
BEGIN SELECT RAISE(ABORT, 'an instruction is fixed'); END;
-- only postgres
CREATE TRIGGER instructions_recurrence_is_fixed
BEFORE UPDATE OF start_date, end_date, frequency ON instructions FOR EACH ROW
EXECUTE FUNCTION refuse('an instruction is fixed');
-- both

-- next_due_us is when the next date begins in the zone; NULL once no date is left or the order was stopped.
CREATE TABLE schedules (
    merchant_id  BIGINT NOT NULL,
    payment_id   BIGINT NOT NULL,
    frequency    TEXT NOT NULL,
    start_date   TEXT NOT NULL,
    end_date     TEXT,
    zone         TEXT NOT NULL,
    next_ordinal INTEGER NOT NULL,
    next_due_us  BIGINT,
    PRIMARY KEY (merchant_id, payment_id),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);
CREATE INDEX schedules_due ON schedules (next_due_us) WHERE next_due_us IS NOT NULL;

CREATE TABLE occurrences (
    merchant_id  BIGINT NOT NULL,
    payment_id   BIGINT NOT NULL,
    ordinal      INTEGER NOT NULL,
    guid         TEXT NOT NULL,
    number       BIGINT NOT NULL,
    due_date     TEXT NOT NULL,
    state        TEXT NOT NULL,
    moved        INTEGER NOT NULL DEFAULT 0,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT,
    expires_us   BIGINT NOT NULL,
    reason       TEXT,
    bank_message TEXT,
    PRIMARY KEY (merchant_id, payment_id, ordinal),
    FOREIGN KEY (merchant_id, payment_id) REFERENCES payments
);
-- A date is paid once, however many schedulers run and however the clock jumps.
CREATE UNIQUE INDEX occurrences_one_per_date ON occurrences (merchant_id, payment_id, due_date);
CREATE UNIQUE INDEX occurrences_by_guid ON occurrences (merchant_id, guid);
CREATE UNIQUE INDEX occurrences_by_number ON occurrences (merchant_id, number);
CREATE INDEX occurrences_open ON occurrences (merchant_id, payment_id) WHERE state = 'pending';
CREATE INDEX occurrences_expiring ON occurrences (expires_us) WHERE state = 'pending';

CREATE TABLE occurrence_moves (
    merchant_id  BIGINT NOT NULL,
    payment_id   BIGINT NOT NULL,
    ordinal      INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    origin       TEXT,
    trigger_name TEXT,
    target       TEXT NOT NULL,
    at_us        BIGINT NOT NULL,
    reason       TEXT,
    bank_message TEXT,
    PRIMARY KEY (merchant_id, payment_id, ordinal, sequence),
    FOREIGN KEY (merchant_id, payment_id, ordinal) REFERENCES occurrences
);

-- The laws of payments hold for occurrences.
-- only sqlite
CREATE TRIGGER occurrences_final_has_no_exit BEFORE UPDATE OF state ON occurrences
WHEN OLD.state <> 'pending' AND NEW.state <> OLD.state
BEGIN SELECT RAISE(ABORT, 'a final state has no exit'); END;
CREATE TRIGGER occurrences_are_fixed BEFORE UPDATE OF guid, number, due_date, created_us ON occurrences
BEGIN SELECT RAISE(ABORT, 'an occurrence is fixed'); END;
CREATE TRIGGER occurrence_moves_follow_each_other BEFORE INSERT ON occurrence_moves
WHEN NEW.sequence > 0 AND NOT EXISTS (
    SELECT 1 FROM occurrence_moves m
    WHERE m.merchant_id = NEW.merchant_id AND m.payment_id = NEW.payment_id AND m.ordinal = NEW.ordinal
        AND m.sequence = NEW.sequence - 1 AND m.target = NEW.origin)
BEGIN SELECT RAISE(ABORT, 'a move follows the one before it'); END;
CREATE TRIGGER occurrence_moves_are_history BEFORE UPDATE ON occurrence_moves
BEGIN SELECT RAISE(ABORT, 'a move is history'); END;
-- A schedule is followed forwards only, and one that was closed stays closed.
CREATE TRIGGER schedules_run_forwards BEFORE UPDATE ON schedules
WHEN OLD.next_due_us IS NULL OR NEW.next_ordinal < OLD.next_ordinal
BEGIN SELECT RAISE(ABORT, 'a schedule runs forwards'); END;
-- only postgres
CREATE TRIGGER occurrences_final_has_no_exit BEFORE UPDATE OF state ON occurrences FOR EACH ROW
WHEN (OLD.state <> 'pending' AND NEW.state <> OLD.state) EXECUTE FUNCTION refuse('a final state has no exit');
CREATE TRIGGER occurrences_are_fixed BEFORE UPDATE OF guid, number, due_date, created_us ON occurrences FOR EACH ROW
EXECUTE FUNCTION refuse('an occurrence is fixed');
CREATE FUNCTION occurrence_move_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM occurrence_moves m
        WHERE m.merchant_id = NEW.merchant_id AND m.payment_id = NEW.payment_id AND m.ordinal = NEW.ordinal
            AND m.sequence = NEW.sequence - 1 AND m.target = NEW.origin) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'a move follows the one before it';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER occurrence_moves_follow_each_other BEFORE INSERT ON occurrence_moves FOR EACH ROW
WHEN (NEW.sequence > 0) EXECUTE FUNCTION occurrence_move_follows();
CREATE TRIGGER occurrence_moves_are_history BEFORE UPDATE ON occurrence_moves FOR EACH ROW
EXECUTE FUNCTION refuse('a move is history');
-- A schedule is followed forwards only, and one that was closed stays closed.
CREATE TRIGGER schedules_run_forwards BEFORE UPDATE ON schedules FOR EACH ROW
WHEN (OLD.next_due_us IS NULL OR NEW.next_ordinal < OLD.next_ordinal)
EXECUTE FUNCTION refuse('a schedule runs forwards');
