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
-- asks the bank. Of each bank at most $5 are taken, and none of those in $6, apart by spaces: who has many that are
-- due, because it hangs, holds up no other. PostgreSQL goes through the banks that have any, index entry by entry.
WITH /*postgres RECURSIVE bank AS (
    (SELECT a.bank_id FROM attempts a WHERE a.phase <> 'ended' AND a.next_ask_us IS NOT NULL ORDER BY a.bank_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.bank_id FROM attempts a
        WHERE a.phase <> 'ended' AND a.next_ask_us IS NOT NULL AND a.bank_id > bank.bank_id ORDER BY a.bank_id LIMIT 1)
    FROM bank WHERE bank.bank_id IS NOT NULL), */ due AS MATERIALIZED (
    /*sqlite*/
    SELECT merchant_id, payment_id, ordinal FROM (
        SELECT a.merchant_id, a.payment_id, a.ordinal, a.next_ask_us,
            ROW_NUMBER() OVER (PARTITION BY a.bank_id ORDER BY a.next_ask_us) AS place
        FROM attempts a JOIN merchants m ON m.merchant_id = a.merchant_id
        WHERE a.phase <> 'ended' AND a.next_ask_us <= $2 AND a.next_ask_us <= $1 + m.clock_offset_us
            AND ' ' || $6 || ' ' NOT LIKE '% ' || a.bank_id || ' %') AS ranked
    WHERE place <= $5 ORDER BY next_ask_us LIMIT $4
    /*end*/
    /*postgres SELECT one.merchant_id, one.payment_id, one.ordinal
    FROM bank CROSS JOIN LATERAL (
        SELECT a.merchant_id, a.payment_id, a.ordinal, a.next_ask_us
        FROM attempts a JOIN merchants m ON m.merchant_id = a.merchant_id
        WHERE a.bank_id = bank.bank_id AND a.phase <> 'ended' AND a.next_ask_us <= $2
            AND a.next_ask_us <= $1 + m.clock_offset_us
        ORDER BY a.next_ask_us LIMIT $5 FOR UPDATE OF a SKIP LOCKED) AS one
    WHERE ' ' || $6 || ' ' NOT LIKE '% ' || bank.bank_id || ' %'
    ORDER BY one.next_ask_us LIMIT $4 */
)
UPDATE attempts SET next_ask_us = $1 + $3
    + (SELECT o.clock_offset_us FROM merchants o WHERE o.merchant_id = attempts.merchant_id)
WHERE (merchant_id, payment_id, ordinal) IN (SELECT d.merchant_id, d.payment_id, d.ordinal FROM due d)
RETURNING merchant_id, payment_id, bank_id;

-- name: hasten_attempts
-- The merchant's clock was moved back: what was due in a future that is off again is due now.
UPDATE attempts SET next_ask_us = $2 WHERE merchant_id = $1 AND phase <> 'ended' AND next_ask_us > $2;
