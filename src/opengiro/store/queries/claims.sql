-- name: insert_claim
INSERT INTO claims (merchant_id, claim_id, payment_id, handle, expires_us) VALUES ($1, $2, $3, $4, $5);

-- name: insert_claim_code
INSERT INTO claim_codes (code_index, merchant_id, claim_id) VALUES ($1, $2, $3);

-- name: find_claim_code
-- Whose claim a scanned or typed code is; asked before anything else is known.
SELECT merchant_id, claim_id FROM claim_codes WHERE code_index = $1;

-- name: load_claim
SELECT payment_id, handle, expires_us, taken_us FROM claims WHERE merchant_id = $1 AND claim_id = $2;

-- name: take_claim
-- Of two that scan at once, one finds it taken.
UPDATE claims SET taken_us = $3 WHERE merchant_id = $1 AND claim_id = $2 AND taken_us IS NULL AND expires_us > $3;

-- name: find_taken_claim
SELECT 1 FROM claims WHERE merchant_id = $1 AND payment_id = $2 AND taken_us IS NOT NULL LIMIT 1;

-- name: delete_lapsed_claim_codes
-- Codes of a payment that open nothing any more.
DELETE FROM claim_codes WHERE merchant_id = $1 AND claim_id IN (
    SELECT claim_id FROM claims WHERE merchant_id = $1 AND payment_id = $2 AND expires_us <= $3);

-- name: delete_lapsed_claims
-- A taken claim stays: it says that the payer went to another device.
DELETE FROM claims WHERE merchant_id = $1 AND payment_id = $2 AND expires_us <= $3 AND taken_us IS NULL;
