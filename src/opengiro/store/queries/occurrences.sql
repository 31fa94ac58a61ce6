-- name: insert_schedule
-- The payer consented: from now on dates fall due.
INSERT INTO schedules (merchant_id, payment_id, frequency, start_date, end_date, zone, next_ordinal, next_due_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: update_schedule
-- How far it was followed, if nobody was faster; a closed one is followed no further.
UPDATE schedules SET next_ordinal = $4, next_due_us = $5
WHERE merchant_id = $1 AND payment_id = $2 AND next_ordinal = $3 AND next_due_us IS NOT NULL;

-- name: load_schedule
-- The schedule of one recurring payment.
SELECT merchant_id, payment_id, frequency, start_date, end_date, zone, next_ordinal, next_due_us
FROM schedules WHERE merchant_id = $1 AND payment_id = $2;

-- name: load_due_schedules
-- Schedules whose next date has begun on their merchant's clock, furthest first; $1 is real time.
SELECT s.merchant_id, s.payment_id
FROM schedules s JOIN merchants m ON m.merchant_id = s.merchant_id
WHERE s.next_due_us <= $2 AND s.next_due_us <= $1 + m.clock_offset_us
ORDER BY s.next_due_us LIMIT $3;

-- name: insert_occurrence
-- One date's transfer; the unique index refuses a second one for the same date.
INSERT INTO occurrences (merchant_id, payment_id, ordinal, guid, number, due_date, state, moved, created_us,
    updated_us, expires_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $8, $9);

-- name: update_occurrence
-- What became of it, if nobody was faster.
UPDATE occurrences SET state = $5, moved = $6, reason = $7, bank_message = $8, updated_us = $9
WHERE merchant_id = $1 AND payment_id = $2 AND ordinal = $3 AND moved = $4;

-- name: insert_occurrence_move
-- A state change of an occurrence; the row is the event.
INSERT INTO occurrence_moves (merchant_id, payment_id, ordinal, sequence, origin, trigger_name, target, at_us,
    reason, bank_message)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: load_occurrences
-- The occurrences of one payment, oldest date first, after an ordinal ($3) and at most $4.
SELECT merchant_id, payment_id, ordinal, guid, number, due_date, created_us, expires_us, state, moved, reason,
    bank_message, updated_us
FROM occurrences WHERE merchant_id = $1 AND payment_id = $2 AND ordinal > $3 ORDER BY ordinal LIMIT $4;

-- name: load_open_occurrences
-- What has fallen due and is not known to have been executed, oldest date first.
SELECT merchant_id, payment_id, ordinal, guid, number, due_date, created_us, expires_us, state, moved, reason,
    bank_message, updated_us
FROM occurrences WHERE merchant_id = $1 AND payment_id = $2 AND state = 'pending' ORDER BY ordinal;

-- name: load_occurrence_by_guid
-- One occurrence by its guid.
SELECT merchant_id, payment_id, ordinal, guid, number, due_date, created_us, expires_us, state, moved, reason,
    bank_message, updated_us
FROM occurrences WHERE merchant_id = $1 AND guid = $2;

-- name: load_occurrence_by_number
-- One occurrence by its number.
SELECT merchant_id, payment_id, ordinal, guid, number, due_date, created_us, expires_us, state, moved, reason,
    bank_message, updated_us
FROM occurrences WHERE merchant_id = $1 AND number = $2;

-- name: count_occurrences
-- How many occurrences of a payment are in each state.
SELECT state, COUNT(*) FROM occurrences WHERE merchant_id = $1 AND payment_id = $2 GROUP BY state;

-- name: load_occurrence_moves
-- The history of one occurrence, oldest first.
SELECT merchant_id, payment_id, ordinal, sequence, origin, trigger_name, target, at_us, reason, bank_message
FROM occurrence_moves WHERE merchant_id = $1 AND payment_id = $2 AND ordinal = $3 ORDER BY sequence;

-- name: load_expired_occurrences
-- Payments with an occurrence whose bank told nothing until its time ran out; $1 is real time.
SELECT DISTINCT o.merchant_id, o.payment_id
FROM occurrences o JOIN merchants m ON m.merchant_id = o.merchant_id
WHERE o.state = 'pending' AND o.expires_us <= $2 AND o.expires_us <= $1 + m.clock_offset_us
LIMIT $3;
