-- apart
-- A list is of one application and, as ids are drawn by the clock, in the order of time: its page and what is counted
-- of it are found here without a look at the payments of others.
-- only sqlite
CREATE INDEX payments_by_client ON payments (merchant_id, client_id, payment_id);
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS payments_by_client;
CREATE INDEX CONCURRENTLY payments_by_client ON payments (merchant_id, client_id, payment_id);
