-- name: insert_payment
-- The agreement and where it starts.
INSERT INTO payments (merchant_id, payment_id, guid, client_id, state, version, created_us, expires_us,
    amount_minor, currency, execution, instruction_count, redirect_uri, client_state, bank_id, bank_locked,
    country, payer_index, sealed, dialect, order_code, account_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22);

-- name: insert_instruction
-- One transfer order of a payment.
INSERT INTO instructions (merchant_id, payment_id, ordinal, reference_id, amount_minor, currency, label,
    execution_date, state, payee_index, sealed, start_date, end_date, frequency)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: insert_move
-- A state change; the row is the event.
INSERT INTO moves (merchant_id, payment_id, ordinal, origin, trigger_name, target, at_us, reason, bank_message, said)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: update_payment
-- Where a payment stands, if nobody was faster: version is compared and set.
UPDATE payments SET state = $4, version = version + 1, bank_id = $5, cancelling = $6, reason = $7,
    bank_message = $8, validated_us = $9, bank_payment_id = $10, payer_index = $11, sealed = $12, country = $13,
    bank_locked = $14, moved = $15, expires_us = $16
WHERE merchant_id = $1 AND payment_id = $2 AND version = $3;

-- name: update_instruction_states
-- All instructions of a payment share the state the bank reported for the whole.
UPDATE instructions SET state = $3 WHERE merchant_id = $1 AND payment_id = $2;

-- name: load_payment
-- One payment with its instructions, one row each.
SELECT p.merchant_id, p.payment_id, p.guid, p.client_id, p.state, p.version, p.created_us, p.expires_us,
    p.validated_us, p.currency, p.execution, p.redirect_uri, p.client_state, p.bank_id, p.bank_locked,
    p.cancelling, p.reason, p.bank_message, p.bank_payment_id, p.sealed, p.country, p.moved,
    p.dialect, p.order_code, p.account_id,
    i.ordinal, i.reference_id, i.amount_minor, i.label, i.execution_date, i.state, i.sealed,
    i.start_date, i.end_date, i.frequency
FROM payments p JOIN instructions i ON i.merchant_id = p.merchant_id AND i.payment_id = p.payment_id
WHERE p.merchant_id = $1 AND p.payment_id = $2
ORDER BY i.ordinal;

-- name: find_payment
-- Which payment a guid names.
SELECT payment_id FROM payments WHERE merchant_id = $1 AND guid = $2;

-- name: load_moves
-- The history of a payment, oldest first.
SELECT merchant_id, payment_id, ordinal, origin, trigger_name, target, at_us, reason, bank_message, said
FROM moves WHERE merchant_id = $1 AND payment_id = $2 ORDER BY ordinal;

-- name: load_moved
-- How far a payment has come: what somebody who follows it compares with what they know.
SELECT moved FROM payments WHERE merchant_id = $1 AND payment_id = $2;

-- name: load_expired
-- Open payments whose time ran out, furthest first; $1 is real time, each merchant's own offset is added.
SELECT p.merchant_id, p.payment_id
FROM payments p JOIN merchants m ON m.merchant_id = p.merchant_id
WHERE p.state IN ('created', 'validating', 'pending')
    AND p.expires_us <= $2 AND p.expires_us <= $1 + m.clock_offset_us
ORDER BY p.expires_us LIMIT $3;

-- name: insert_terms_accepted
-- The payer agreed to these terms; agreeing twice is agreeing once.
INSERT INTO terms_accepted (merchant_id, payment_id, terms_id, at_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: load_terms_accepted
-- Which terms the payer of this payment agreed to.
SELECT terms_id, at_us FROM terms_accepted WHERE merchant_id = $1 AND payment_id = $2;

-- name: count_bank_uses
-- How many payments went to each bank since the id $2, which tells when a payment was made.
SELECT bank_id, COUNT(*) FROM payments
WHERE merchant_id = $1 AND payment_id >= $2 AND validated_us IS NOT NULL AND bank_id IS NOT NULL
GROUP BY bank_id;

-- name: newest_payment
-- Ids grow with time, so the largest is the newest.
SELECT MAX(payment_id) FROM payments WHERE merchant_id = $1;
