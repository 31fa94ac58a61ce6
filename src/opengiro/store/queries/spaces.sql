-- name: insert_account_space
INSERT INTO account_spaces (merchant_id, space_id, platform_id, name, kind, company) VALUES ($1, $2, $3, $4, $5, $6);

-- name: load_account_spaces
-- All spaces of a merchant, or those one user may act for ($2; null means all).
SELECT s.merchant_id, s.space_id, s.platform_id, s.name, s.kind, s.company FROM account_spaces s
WHERE s.merchant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM user_spaces u WHERE u.merchant_id = $1 AND u.user_id = $2 AND u.space_id = s.space_id))
ORDER BY s.space_id;

-- name: insert_account
INSERT INTO accounts (merchant_id, account_id, number, custodial_number, space_id, name, currency, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: load_accounts
-- All accounts of a merchant, in the order of their numbers.
SELECT merchant_id, account_id, number, custodial_number, space_id, name, currency, sealed FROM accounts
WHERE merchant_id = $1 ORDER BY number;

-- name: load_account
SELECT merchant_id, account_id, number, custodial_number, space_id, name, currency, sealed FROM accounts
WHERE merchant_id = $1 AND account_id = $2;
