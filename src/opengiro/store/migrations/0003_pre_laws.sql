-- More laws of the house, whoever writes: history only grows, by the next number and from where the last move led,
-- and who a payment belongs to and how it is executed is as fixed as its amount.

-- only sqlite
CREATE TRIGGER moves_follow_each_other BEFORE INSERT ON moves
WHEN NEW.ordinal > 0 AND NOT EXISTS (
    SELECT 1 FROM moves m
    WHERE m.merchant_id = NEW.merchant_id AND m.payment_id = NEW.payment_id AND m.ordinal = NEW.ordinal - 1
        AND m.target = NEW.origin)
BEGIN SELECT RAISE(ABORT, 'a move follows the one before it'); END;
CREATE TRIGGER moves_are_history BEFORE UPDATE ON moves
BEGIN SELECT RAISE(ABORT, 'a move is history'); END;
CREATE TRIGGER payments_agreement_is_fixed
BEFORE UPDATE OF guid, client_id, created_us, execution, instruction_count, redirect_uri ON payments
BEGIN SELECT RAISE(ABORT, 'the agreement of a payment is fixed'); END;
-- only postgres
CREATE FUNCTION move_follows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM moves m
        WHERE m.merchant_id = NEW.merchant_id AND m.payment_id = NEW.payment_id AND m.ordinal = NEW.ordinal - 1
            AND m.target = NEW.origin) THEN
        RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = 'a move follows the one before it';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_follow_each_other BEFORE INSERT ON moves FOR EACH ROW WHEN (NEW.ordinal > 0)
EXECUTE FUNCTION move_follows();
CREATE TRIGGER moves_are_history BEFORE UPDATE ON moves FOR EACH ROW
EXECUTE FUNCTION refuse('a move is history');
CREATE TRIGGER payments_agreement_is_fixed
BEFORE UPDATE OF guid, client_id, created_us, execution, instruction_count, redirect_uri ON payments FOR EACH ROW
EXECUTE FUNCTION refuse('the agreement of a payment is fixed');
