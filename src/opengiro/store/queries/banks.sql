-- name: upsert_bank
INSERT INTO banks (bank_id, number, connector, entry) VALUES ($1, $2, $3, $4)
ON CONFLICT (bank_id) DO UPDATE SET connector = excluded.connector, entry = excluded.entry;

-- name: load_banks
SELECT bank_id, number, connector, entry FROM banks ORDER BY number;
