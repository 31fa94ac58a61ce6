-- apart
-- Only payments that have an order code are looked for by it: the others need no entry.
-- only sqlite
CREATE INDEX payments_by_order_code ON payments (merchant_id, order_code) WHERE order_code IS NOT NULL;
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS payments_by_order_code;
CREATE INDEX CONCURRENTLY payments_by_order_code ON payments (merchant_id, order_code) WHERE order_code IS NOT NULL;
