-- name: insert_user
INSERT INTO users (merchant_id, user_id, number, client_id, password_hash, sealed, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_login
INSERT INTO logins (username_index, merchant_id, user_id) VALUES ($1, $2, $3);

-- name: insert_user_space
INSERT INTO user_spaces (merchant_id, user_id, space_id) VALUES ($1, $2, $3);

-- name: find_login
-- Whose login a username is; asked before anything else is known.
SELECT merchant_id, user_id FROM logins WHERE username_index = $1;

-- name: load_user
-- A user who was not ended.
SELECT merchant_id, user_id, number, client_id, password_hash, sealed, created_us FROM users
WHERE merchant_id = $1 AND user_id = $2 AND deleted_us IS NULL;

-- name: delete_user
-- The row stays, so that nobody else gets the id; refresh and access tokens end with it.
UPDATE users SET deleted_us = $3 WHERE merchant_id = $1 AND user_id = $2 AND deleted_us IS NULL;

-- name: delete_login
DELETE FROM logins WHERE merchant_id = $1 AND user_id = $2;

-- name: insert_refresh_token
INSERT INTO refresh_tokens (merchant_id, token_hash, family, client_id, user_id, audience, expires_us)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: load_refresh_token
SELECT family, client_id, user_id, audience, expires_us, used_us, revoked_us FROM refresh_tokens
WHERE merchant_id = $1 AND token_hash = $2;

-- name: use_refresh_token
-- Only the first use counts.
UPDATE refresh_tokens SET used_us = $3
WHERE merchant_id = $1 AND token_hash = $2 AND used_us IS NULL AND revoked_us IS NULL;

-- name: revoke_refresh_family
-- A token came back after it was replaced: somebody has a copy, so all of them end.
UPDATE refresh_tokens SET revoked_us = $3 WHERE merchant_id = $1 AND family = $2 AND revoked_us IS NULL;
