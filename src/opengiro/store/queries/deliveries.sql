-- name: fan_out_move
-- One delivery per endpoint, in the transaction of the move. The merchant may want only moves that no call caused
-- ($5 background). It waits for an earlier event of the same payment that is being retried.
INSERT INTO deliveries (merchant_id, webhook_id, payment_id, ordinal, created_us, due_us)
SELECT w.merchant_id, w.webhook_id, $2, $3, $4,
    COALESCE((
        SELECT MAX(e.due_us) FROM deliveries e
        WHERE e.merchant_id = w.merchant_id AND e.webhook_id = w.webhook_id AND e.payment_id = $2
            AND e.stage = 'waiting' AND e.due_us > $4), $4)
FROM webhooks w
WHERE w.merchant_id = $1 AND w.topic = 'payment_moved' AND w.deleted_us IS NULL AND w.disabled_us IS NULL
    AND ($5 OR NOT EXISTS (
        SELECT 1 FROM settings s
        WHERE s.merchant_id = $1 AND s.key = 'payment.state_updated_webhook.systematic' AND s.value = '0'));

-- name: fan_out_event
-- What a space's endpoint hears when a payment to one of its accounts changes: the next event of that payment there.
-- $4 is what it tells of, $5 that in full. It waits for an earlier event that is being retried.
INSERT INTO deliveries (merchant_id, webhook_id, payment_id, ordinal, created_us, due_us, about)
SELECT w.merchant_id, w.webhook_id, $2,
    1 + COALESCE((
        SELECT MAX(e.ordinal) FROM deliveries e
        WHERE e.merchant_id = w.merchant_id AND e.webhook_id = w.webhook_id AND e.payment_id = $2), 0),
    $3,
    COALESCE((
        SELECT MAX(e.due_us) FROM deliveries e
        WHERE e.merchant_id = w.merchant_id AND e.webhook_id = w.webhook_id AND e.payment_id = $2
            AND e.stage = 'waiting' AND e.due_us > $3), $3),
    $5
FROM payments p
    JOIN accounts a ON a.merchant_id = p.merchant_id AND a.account_id = p.account_id
    JOIN webhooks w ON w.merchant_id = p.merchant_id AND w.space_id = a.space_id
WHERE p.merchant_id = $1 AND p.payment_id = $2 AND w.topic = 'status_changed' AND w.enabled
    AND w.deleted_us IS NULL AND w.disabled_us IS NULL AND w.hears LIKE '% ' || $4 || ' %';

-- name: insert_test_delivery
-- A delivery that no move caused, with its body ready.
INSERT INTO deliveries (merchant_id, webhook_id, payment_id, ordinal, created_us, due_us, data_id, sealed)
VALUES ($1, $2, $3, 0, $4, $4, $5, $6);

-- name: claim_deliveries
-- Take what is due for an endpoint that has room ($4) for so many, and of each payment only its earliest event that is
-- not settled. PostgreSQL does it for many endpoints at once: $1 to $4 are arrays there.
UPDATE deliveries SET stage = 'sending', fence = fence + 1, leased_until_us = $5
WHERE (merchant_id, webhook_id, payment_id, ordinal) IN (
    /*postgres SELECT one.merchant_id, one.webhook_id, one.payment_id, one.ordinal
    FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS w(merchant_id, webhook_id, now_us, room)
        CROSS JOIN LATERAL ( */
    SELECT d.merchant_id, d.webhook_id, d.payment_id, d.ordinal
    FROM /*sqlite*/ (SELECT $1 AS merchant_id, $2 AS webhook_id, $3 AS now_us) AS w CROSS JOIN /*end*/ deliveries d
    WHERE d.merchant_id = w.merchant_id AND d.webhook_id = w.webhook_id AND d.stage = 'waiting' AND d.due_us <= w.now_us
        AND (
            SELECT e.ordinal FROM deliveries e
            WHERE e.merchant_id = d.merchant_id AND e.webhook_id = d.webhook_id AND e.payment_id = d.payment_id
                AND e.ordinal < d.ordinal AND e.stage IN ('waiting', 'sending')
            ORDER BY e.payment_id, e.ordinal LIMIT 1) IS NULL
    ORDER BY d.due_us, d.payment_id, d.ordinal
    LIMIT /*sqlite*/ $4 /*end*/ /*postgres w.room FOR UPDATE OF d SKIP LOCKED) AS one */)
    AND stage = 'waiting'
RETURNING merchant_id, webhook_id, payment_id, ordinal, stage, created_us, due_us, attempts, fence, data_id, sealed, about;

-- name: free_lapsed_deliveries
-- Whoever claimed these died; $1 is real time, which leases follow.
UPDATE deliveries SET stage = 'waiting', leased_until_us = NULL WHERE stage = 'sending' AND leased_until_us <= $1;

-- name: free_delivery
-- Give a claim back unused.
UPDATE deliveries SET stage = 'waiting', leased_until_us = NULL
WHERE merchant_id = $1 AND webhook_id = $2 AND payment_id = $3 AND ordinal = $4 AND stage = 'sending' AND fence = $5;

-- name: save_delivery_body
-- The bytes every attempt will send.
UPDATE deliveries SET data_id = $6, sealed = $7
WHERE merchant_id = $1 AND webhook_id = $2 AND payment_id = $3 AND ordinal = $4 AND stage = 'sending' AND fence = $5;

-- name: settle_delivery
-- How an attempt ended, unless somebody else claimed the delivery meanwhile.
UPDATE deliveries SET stage = $6, due_us = $7, attempts = $8, leased_until_us = NULL
WHERE merchant_id = $1 AND webhook_id = $2 AND payment_id = $3 AND ordinal = $4 AND stage = 'sending' AND fence = $5;

-- name: hold_later_deliveries
-- Later events of the same payment wait as long as the one before them, so nobody looks at them in vain.
UPDATE deliveries SET due_us = $5
WHERE merchant_id = $1 AND webhook_id = $2 AND payment_id = $3 AND ordinal > $4 AND stage = 'waiting' AND due_us < $5;

-- name: hasten_later_deliveries
-- The event before them is settled, so the later ones that waited for it are due.
UPDATE deliveries SET due_us = $5
WHERE merchant_id = $1 AND webhook_id = $2 AND payment_id = $3 AND ordinal > $4 AND stage = 'waiting' AND attempts = 0
    AND due_us > $5;

-- name: revive_parked_deliveries
-- The endpoint accepts again: what was given up gets one more attempt, and after an outage ($4) whatever failed.
UPDATE deliveries SET stage = 'waiting', due_us = $3
WHERE merchant_id = $1 AND webhook_id = $2 AND stage = 'parked' AND (attempts <= $5 OR $4);

-- name: hasten_deliveries
-- After an outage nothing waits for its next step any more.
UPDATE deliveries SET due_us = $3
WHERE merchant_id = $1 AND webhook_id = $2 AND stage = 'waiting' AND due_us > $3;

-- name: replay_delivery
-- Send it again, the same bytes, as if it had just become due.
UPDATE deliveries SET stage = 'waiting', due_us = $4
WHERE merchant_id = $1 AND webhook_id = $2 AND data_id = $3 AND stage IN ('delivered', 'parked', 'waiting')
RETURNING merchant_id, webhook_id, payment_id, ordinal, stage, created_us, due_us, attempts, fence, data_id, sealed, about;

-- name: load_backlog
-- What is due at endpoints that are in use and not paused, counted to 1000 for each, and since when in real time ($1).
SELECT CAST(COALESCE(SUM(f.due), 0) AS BIGINT), MIN(f.oldest_us) FROM (
    SELECT
        (SELECT COUNT(*) FROM (
            SELECT 1 FROM deliveries d
            WHERE d.merchant_id = w.merchant_id AND d.webhook_id = w.webhook_id AND d.stage = 'waiting'
                AND d.due_us <= $1 + m.clock_offset_us LIMIT 1000) AS counted) AS due,
        (SELECT MIN(e.due_us) - m.clock_offset_us FROM deliveries e
            WHERE e.merchant_id = w.merchant_id AND e.webhook_id = w.webhook_id AND e.stage = 'waiting'
                AND e.due_us <= $1 + m.clock_offset_us) AS oldest_us
    FROM webhooks w JOIN merchants m ON m.merchant_id = w.merchant_id
    WHERE w.deleted_us IS NULL AND w.disabled_us IS NULL AND w.enabled
        AND (w.paused_until_us IS NULL OR w.paused_until_us <= $1 + m.clock_offset_us)) AS f;

-- name: insert_delivery_try
-- What one attempt sent and heard.
INSERT INTO delivery_tries (merchant_id, webhook_id, payment_id, ordinal, attempt, at_us, status, failure,
    duration_ms, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: load_delivery_tries
-- The newest attempts of one webhook with the delivery each belongs to.
SELECT d.merchant_id, d.webhook_id, d.payment_id, d.ordinal, d.stage, d.created_us, d.due_us, d.attempts, d.fence,
    d.data_id, d.sealed, d.about, t.attempt, t.at_us, t.status, t.failure, t.duration_ms, t.sealed
FROM delivery_tries t JOIN deliveries d ON d.merchant_id = t.merchant_id AND d.webhook_id = t.webhook_id
    AND d.payment_id = t.payment_id AND d.ordinal = t.ordinal
WHERE t.merchant_id = $1 AND t.webhook_id = $2
ORDER BY t.at_us DESC, t.attempt DESC LIMIT $3 OFFSET $4;

-- name: load_deliveries
-- The newest deliveries of one webhook; $3 names a stage, null means all.
SELECT merchant_id, webhook_id, payment_id, ordinal, stage, created_us, due_us, attempts, fence, data_id, sealed, about
FROM deliveries
WHERE merchant_id = $1 AND webhook_id = $2 AND (CAST($3 AS TEXT) IS NULL OR stage = $3)
ORDER BY created_us DESC, payment_id DESC, ordinal DESC LIMIT $4 OFFSET $5;

-- name: delete_old_deliveries
-- What is settled leaves after its time ($3), and what an endpoint never took long after ($4).
DELETE FROM deliveries
WHERE merchant_id = $1 AND webhook_id = $2 AND created_us <= $3
    AND (stage IN ('delivered', 'parked') OR (stage = 'waiting' AND created_us <= $4));

-- name: load_all_webhooks
-- Every endpoint that ever was, for housekeeping.
SELECT merchant_id, webhook_id FROM webhooks ORDER BY merchant_id, webhook_id;

-- name: hasten_all_deliveries
-- The merchant's clock was moved back: what was due in a future that is off again is due now.
UPDATE deliveries SET due_us = $2 WHERE merchant_id = $1 AND stage = 'waiting' AND due_us > $2;
