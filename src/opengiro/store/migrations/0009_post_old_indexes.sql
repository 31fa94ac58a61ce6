-- apart
-- Two indexes that every write still fed and no query of this version reads: payments_by_order_code and
-- attempts_due_by_bank took their place.
-- only sqlite
DROP INDEX IF EXISTS payments_by_order;
DROP INDEX IF EXISTS attempts_due;
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS payments_by_order;
DROP INDEX CONCURRENTLY IF EXISTS attempts_due;
