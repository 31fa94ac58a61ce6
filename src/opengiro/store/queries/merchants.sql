-- name: insert_merchant
INSERT INTO merchants (merchant_id, domain, name, legal_name, zone, created_us) VALUES ($1, $2, $3, $4, $5, $6);

-- name: load_merchant
SELECT merchant_id, domain, name, legal_name, zone FROM merchants WHERE merchant_id = $1;

-- name: load_merchants
-- Every tenant of the house, for start-up and operators.
SELECT merchant_id, domain, name, legal_name, zone, clock_offset_us FROM merchants ORDER BY merchant_id;

-- name: load_clock_offsets
-- The clocks that somebody moved, for whoever has to tell the time; there are few.
SELECT merchant_id, clock_offset_us FROM merchants WHERE clock_offset_us <> 0;

-- name: update_clock_offset
UPDATE merchants SET clock_offset_us = $2 WHERE merchant_id = $1;

-- name: load_settings
SELECT key, value FROM settings WHERE merchant_id = $1 ORDER BY key;

-- name: load_setting
-- One setting and since when.
SELECT value, updated_us FROM settings WHERE merchant_id = $1 AND key = $2;

-- name: upsert_setting
INSERT INTO settings (merchant_id, key, value, updated_us) VALUES ($1, $2, $3, $4)
ON CONFLICT (merchant_id, key) DO UPDATE SET value = excluded.value, updated_us = excluded.updated_us;

-- name: insert_audit
-- Who changed what; ids grow within a merchant.
INSERT INTO audit (merchant_id, audit_id, at_us, actor, action, subject, was, became)
SELECT $1, COALESCE(MAX(audit_id), 0) + 1, $2, $3, $4, $5, $6, $7 FROM audit WHERE merchant_id = $1;

-- name: load_audit
SELECT audit_id, at_us, actor, action, subject, was, became FROM audit
WHERE merchant_id = $1 AND action = $2 ORDER BY audit_id DESC LIMIT $3;

-- name: insert_application
INSERT INTO applications (merchant_id, client_id, name, secret_hash, redirect_uris, config, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: update_application
UPDATE applications SET name = $3, redirect_uris = $4, config = $5, secret_hash = $6
WHERE merchant_id = $1 AND client_id = $2 AND deleted_us IS NULL;

-- name: delete_application
UPDATE applications SET deleted_us = $3 WHERE merchant_id = $1 AND client_id = $2 AND deleted_us IS NULL;

-- name: load_application
SELECT merchant_id, client_id, name, redirect_uris, secret_hash, created_us, config
FROM applications WHERE merchant_id = $1 AND client_id = $2 AND deleted_us IS NULL;

-- name: load_applications
SELECT merchant_id, client_id, name, redirect_uris, secret_hash, created_us, config
FROM applications WHERE merchant_id = $1 AND deleted_us IS NULL ORDER BY created_us, client_id;
