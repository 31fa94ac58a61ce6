-- name: insert_token
INSERT INTO tokens (merchant_id, token_hash, client_id, payment_id, rights, expires_us)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: load_token
-- A token that was not revoked; the caller compares its expiry with the merchant's own clock. A token dies with
-- its application.
SELECT t.client_id, t.payment_id, t.rights, t.expires_us
FROM tokens t LEFT JOIN applications a ON a.merchant_id = t.merchant_id AND a.client_id = t.client_id
WHERE t.merchant_id = $1 AND t.token_hash = $2 AND t.revoked_us IS NULL AND a.deleted_us IS NULL;

-- name: revoke_token
UPDATE tokens SET revoked_us = $3 WHERE merchant_id = $1 AND token_hash = $2 AND revoked_us IS NULL;

-- name: insert_session
INSERT INTO sessions (merchant_id, handle, secret_hash, payment_id, dialect, language, redirect_uri, client_state,
    expires_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: load_session
SELECT merchant_id, handle, secret_hash, payment_id, dialect, language, redirect_uri, client_state, expires_us
FROM sessions WHERE merchant_id = $1 AND handle = $2;

-- name: load_latest_session
-- The checkout a payment was last opened in: where a payer who returns in another browser belongs.
SELECT merchant_id, handle, secret_hash, payment_id, dialect, language, redirect_uri, client_state, expires_us
FROM sessions WHERE merchant_id = $1 AND payment_id = $2 ORDER BY expires_us DESC LIMIT 1;
