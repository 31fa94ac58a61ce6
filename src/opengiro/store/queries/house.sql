-- name: load_house_keys
-- Every key that all machines share.
SELECT name, sealed FROM house_keys ORDER BY name;

-- name: insert_house_key
-- The first who makes a key wins; the others take theirs back.
INSERT INTO house_keys (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING;

-- name: load_versions
-- What changed since it was last read.
SELECT name, version FROM versions ORDER BY name;

-- name: raise_version
-- Something that other processes hold in memory is about to change.
INSERT INTO versions (name, version) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET version = versions.version + 1;

-- name: claim_duty
-- Take a duty that nobody holds any more, or go on holding it; returns a row to its holder only.
INSERT INTO duties (name, holder, leased_until_us) VALUES ($1, $2, $4)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, leased_until_us = excluded.leased_until_us
WHERE duties.holder = excluded.holder OR duties.leased_until_us <= $3
RETURNING name;

-- name: free_duty
-- Let somebody else take it at once.
DELETE FROM duties WHERE name = $1 AND holder = $2;
