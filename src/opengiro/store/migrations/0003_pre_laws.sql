-- More laws of the house, whoever writes: history only grows, by the next number and from where the last move led,
-- and who a payment belongs to and how it is executed is as fixed as its amount.

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
