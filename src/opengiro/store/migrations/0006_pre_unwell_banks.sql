-- apart
-- Attempts are claimed bank by bank, so that one bank with many of them keeps nobody else waiting.
-- only sqlite
CREATE INDEX attempts_due_by_bank ON attempts (bank_id, next_ask_us) WHERE phase <> 'ended' AND next_ask_us IS NOT NULL;
-- only postgres
DROP INDEX CONCURRENTLY IF EXISTS attempts_due_by_bank;
CREATE INDEX CONCURRENTLY attempts_due_by_bank ON attempts (bank_id, next_ask_us)
WHERE phase <> 'ended' AND next_ask_us IS NOT NULL;
