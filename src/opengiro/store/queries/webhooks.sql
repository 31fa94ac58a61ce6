-- name: insert_webhook_auth
-- A signing key of a merchant, secrets sealed.
INSERT INTO webhook_auths (merchant_id, auth_id, kind, name, sealed, created_us) VALUES ($1, $2, $3, $4, $5, $6);

-- name: update_webhook_auth
-- Rename it, or keep the secrets after a rotation.
UPDATE webhook_auths SET name = $3, sealed = $4
WHERE merchant_id = $1 AND auth_id = $2 AND deleted_us IS NULL;

-- name: delete_webhook_auth
-- Only while no webhook would silently lose its signature.
UPDATE webhook_auths SET deleted_us = $3
WHERE merchant_id = $1 AND auth_id = $2 AND deleted_us IS NULL AND NOT EXISTS (
    SELECT 1 FROM webhooks w
    WHERE w.merchant_id = $1 AND w.auth_id = $2 AND w.deleted_us IS NULL);

-- name: load_webhook_auths
-- All signing keys of a merchant, oldest first.
SELECT merchant_id, auth_id, kind, name, sealed, created_us FROM webhook_auths
WHERE merchant_id = $1 AND deleted_us IS NULL ORDER BY auth_id;

-- name: last_webhook_auth_id
-- Numbers are never given out twice, so deleted ones count.
SELECT COALESCE(MAX(auth_id), 0) FROM webhook_auths WHERE merchant_id = $1;

-- name: insert_webhook
-- Somewhere to deliver to.
INSERT INTO webhooks (merchant_id, webhook_id, dialect, topic, url, auth_id, created_us, updated_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7);

-- name: update_webhook
-- Point it elsewhere or sign otherwise; it is enabled again and forgiven its failures.
UPDATE webhooks SET url = $3, auth_id = $4, updated_us = $5, disabled_us = NULL,
    failures = 0, timeouts = 0, pauses = 0, paused_until_us = NULL
WHERE merchant_id = $1 AND webhook_id = $2 AND deleted_us IS NULL;

-- name: insert_space_webhook
-- The one endpoint of an account space.
INSERT INTO webhooks (merchant_id, webhook_id, dialect, topic, url, auth_id, created_us, updated_us, space_id, enabled,
    retries, kinds, hears)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12);

-- name: update_space_webhook
-- Change it; it is forgiven its failures, and heard again if it was gone.
UPDATE webhooks SET url = $3, updated_us = $4, enabled = $5, retries = $6, kinds = $7, hears = $8, disabled_us = NULL,
    failures = 0, timeouts = 0, pauses = 0, paused_until_us = NULL
WHERE merchant_id = $1 AND webhook_id = $2 AND deleted_us IS NULL;

-- name: delete_webhook
-- Nothing is delivered there any more; what was is still listed for a while.
UPDATE webhooks SET deleted_us = $3 WHERE merchant_id = $1 AND webhook_id = $2 AND deleted_us IS NULL;

-- name: disable_webhook
-- The receiver said that it is gone for good.
UPDATE webhooks SET disabled_us = $3 WHERE merchant_id = $1 AND webhook_id = $2 AND disabled_us IS NULL;

-- name: load_webhooks
-- All webhooks of a merchant that were not deleted, oldest first.
SELECT merchant_id, webhook_id, dialect, topic, url, auth_id, created_us, updated_us, disabled_us,
    failures, timeouts, pauses, paused_until_us, space_id, enabled, retries, kinds
FROM webhooks WHERE merchant_id = $1 AND deleted_us IS NULL ORDER BY webhook_id;

-- name: last_webhook_id
-- Numbers are never given out twice, so deleted ones count.
SELECT COALESCE(MAX(webhook_id), 0) FROM webhooks WHERE merchant_id = $1;

-- name: load_due_webhooks
-- Endpoints that have something due and are not paused, on their merchants' clocks, and whether anything was given up
-- there; $1 is real time. The earliest is asked for, since a planner would join EXISTS with all that waits anywhere.
SELECT w.merchant_id, w.webhook_id, w.dialect, w.topic, w.url, w.auth_id, w.created_us, w.updated_us, w.disabled_us,
    w.failures, w.timeouts, w.pauses, w.paused_until_us, w.space_id, w.enabled, w.retries, w.kinds, a.sealed,
    EXISTS (
        SELECT 1 FROM deliveries p
        WHERE p.merchant_id = w.merchant_id AND p.webhook_id = w.webhook_id AND p.stage = 'parked')
FROM webhooks w
    JOIN merchants m ON m.merchant_id = w.merchant_id
    LEFT JOIN webhook_auths a ON a.merchant_id = w.merchant_id AND a.auth_id = w.auth_id
WHERE w.deleted_us IS NULL AND w.disabled_us IS NULL AND w.enabled
    AND (w.paused_until_us IS NULL OR w.paused_until_us <= $1 + m.clock_offset_us)
    AND (
        SELECT d.due_us FROM deliveries d
        WHERE d.merchant_id = w.merchant_id AND d.webhook_id = w.webhook_id AND d.stage = 'waiting'
        ORDER BY d.due_us LIMIT 1) <= $1 + m.clock_offset_us;

-- name: count_failure
-- One more failure in a row; timeouts only count while nothing else comes between.
UPDATE webhooks SET failures = failures + 1, timeouts = CASE WHEN $3 THEN timeouts + 1 ELSE 0 END
WHERE merchant_id = $1 AND webhook_id = $2
RETURNING failures, timeouts, pauses;

-- name: pause_webhook
-- Leave it in peace; attempts that were under way when it was paused do not pause it longer.
UPDATE webhooks SET paused_until_us = $4, pauses = pauses + 1
WHERE merchant_id = $1 AND webhook_id = $2 AND (paused_until_us IS NULL OR paused_until_us <= $3);

-- name: forgive_failures
-- It accepted something: the streak is over.
UPDATE webhooks SET failures = 0, timeouts = 0, pauses = 0, paused_until_us = NULL
WHERE merchant_id = $1 AND webhook_id = $2 AND failures > 0;

-- name: end_pauses
-- The merchant's clock was moved back: a pause into a future that is off again is over.
UPDATE webhooks SET paused_until_us = NULL WHERE merchant_id = $1 AND paused_until_us > $2;
