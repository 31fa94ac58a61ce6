-- What the processes of one house share besides its facts.

-- Keys that every machine has to have alike, sealed under the root key, which is none of them.
CREATE TABLE house_keys (
    name   TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- What processes keep in memory because it seldom changes. Who changes it counts it up; the others read it again.
CREATE TABLE versions (
    name    TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);

-- Work that one process at a time does for all. Its holder renews the lease, which follows real time.
CREATE TABLE duties (
    name            TEXT PRIMARY KEY,
    holder          TEXT NOT NULL,
    leased_until_us BIGINT NOT NULL
);
