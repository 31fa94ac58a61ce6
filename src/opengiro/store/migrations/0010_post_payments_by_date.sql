-- apart
-- payments_by_client took its place: an id tells when its payment was made.
-- only sqlite
DROP INDEX IF EXISTS payments_by_date;
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS payments_by_date;
