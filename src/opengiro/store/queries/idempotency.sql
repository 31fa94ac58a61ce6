-- name: insert_idempotency_key
-- A key with its answer, or claimed while the first call still runs (status null).
INSERT INTO idempotency_keys (merchant_id, client_id, route, key, digest, claimed_us, expires_us, status, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: load_idempotency_key
SELECT digest, claimed_us, expires_us, status, sealed FROM idempotency_keys
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4;

-- name: finish_idempotency_key
-- Keep the answer, unless the key was taken over from whoever claimed it at $5.
UPDATE idempotency_keys SET status = $6, sealed = $7
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4 AND status IS NULL AND claimed_us = $5;

-- name: release_idempotency_key
-- The call changed nothing, so the key is free again, unless it was taken over from whoever claimed it at $5.
DELETE FROM idempotency_keys
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4 AND status IS NULL AND claimed_us = $5;

-- name: reclaim_idempotency_key
-- Take over a key whose first caller died, if nobody else did.
UPDATE idempotency_keys SET claimed_us = $6
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4 AND status IS NULL AND claimed_us = $5;

-- name: delete_idempotency_key
-- Its time is over; whoever used the key again meanwhile keeps it.
DELETE FROM idempotency_keys
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4 AND expires_us <= $5;

-- name: delete_old_idempotency_keys
DELETE FROM idempotency_keys WHERE expires_us <= $1;
