-- name: insert_link
INSERT INTO links (merchant_id, payment_id, sealed) VALUES ($1, $2, $3);

-- name: insert_link_code
INSERT INTO link_codes (code_index, merchant_id, payment_id) VALUES ($1, $2, $3);

-- name: find_link_code
-- Whose payment a short link opens; asked before anything else is known.
SELECT merchant_id, payment_id FROM link_codes WHERE code_index = $1;

-- name: load_link
SELECT sealed FROM links WHERE merchant_id = $1 AND payment_id = $2;
