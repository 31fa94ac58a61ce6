-- name: insert_idempotency_key
-- A key with its answer, or claimed while the first call still runs (status null).
INSERT INTO idempotency_keys (merchant_id, client_id, route, key, digest, claimed_us, expires_us, status, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: load_idempotency_key
SELECT digest, claimed_us, expires_us, status, sealed FROM idempotency_keys
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4;

-- name: finish_idempotency_key
UPDATE idempotency_keys SET status = $5, sealed = $6
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4;

-- name: reclaim_idempotency_key
-- Take over a key whose first caller died, if nobody else did.
UPDATE idempotency_keys SET claimed_us = $6
WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4 AND status IS NULL AND claimed_us = $5;

-- name: delete_idempotency_key
DELETE FROM idempotency_keys WHERE merchant_id = $1 AND client_id = $2 AND route = $3 AND key = $4;

-- name: delete_old_idempotency_keys
DELETE FROM idempotency_keys WHERE expires_us <= $1;
