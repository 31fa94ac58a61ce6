-- name: insert_attempt
-- One try at one bank; the unique index refuses a second one that could also pay.
INSERT INTO attempts (merchant_id, payment_id, ordinal, version, bank_id, phase, request_id, ticket_hash,
    started_us, ends_us, confirm_by_us, asked, next_ask_us, bank_payment_id, said, sca, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: update_attempt
-- What was learnt of an attempt, if nobody was faster.
UPDATE attempts SET version = version + 1, phase = $5, ends_us = $6, confirm_by_us = $7, asked = $8,
    next_ask_us = $9, bank_payment_id = $10, said = $11, sca = $12, sealed = $13
WHERE merchant_id = $1 AND payment_id = $2 AND ordinal = $3 AND version = $4;

-- name: load_attempt
-- The newest attempt of a payment: the live one, or the last that ended.
SELECT merchant_id, payment_id, ordinal, version, bank_id, phase, request_id, started_us, ends_us, confirm_by_us,
    asked, next_ask_us, bank_payment_id, said, sca, sealed
FROM attempts WHERE merchant_id = $1 AND payment_id = $2 ORDER BY ordinal DESC LIMIT 1;

-- name: load_attempt_by_ticket
-- The attempt whose bank was given this return ticket.
SELECT merchant_id, payment_id, ordinal, version, bank_id, phase, request_id, started_us, ends_us, confirm_by_us,
    asked, next_ask_us, bank_payment_id, said, sca, sealed
FROM attempts WHERE merchant_id = $1 AND ticket_hash = $2;

-- name: claim_due_attempts
-- Take attempts that are due by pushing their next question ahead on their merchant's clock: whoever updates the row
-- asks the bank.
UPDATE attempts SET next_ask_us = $1 + $3
    + (SELECT o.clock_offset_us FROM merchants o WHERE o.merchant_id = attempts.merchant_id)
WHERE (merchant_id, payment_id, ordinal) IN (
    SELECT a.merchant_id, a.payment_id, a.ordinal
    FROM attempts a JOIN merchants m ON m.merchant_id = a.merchant_id
    WHERE a.phase <> 'ended' AND a.next_ask_us <= $2 AND a.next_ask_us <= $1 + m.clock_offset_us
    ORDER BY a.next_ask_us LIMIT $4)
RETURNING merchant_id, payment_id;

-- name: hasten_attempts
-- The merchant's clock was moved back: what was due in a future that is off again is due now.
UPDATE attempts SET next_ask_us = $2 WHERE merchant_id = $1 AND phase <> 'ended' AND next_ask_us > $2;
