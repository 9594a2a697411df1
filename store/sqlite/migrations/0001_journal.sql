-- One row a run. n counts without gaps, so that a removed run is noticed.
CREATE TABLE runs (
  n             INTEGER PRIMARY KEY AUTOINCREMENT,
  id            TEXT    NOT NULL UNIQUE,
  application   TEXT    NOT NULL,
  environment   TEXT    NOT NULL,
  ended         INTEGER NOT NULL DEFAULT 0,
  -- fence is the number of the run's newest lease.
  fence         INTEGER NOT NULL,
  -- summary is ripcord.Summary as JSON; it holds the chain's head and length.
  summary       TEXT    NOT NULL,
  -- pruned is when the entries were deleted, in seconds since 1970.
  pruned        INTEGER,
  -- blobs_gone says that the blobs of a pruned run were deleted too.
  blobs_gone    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The environment's lock: one unfinished run at a time.
CREATE UNIQUE INDEX locks ON runs (application, environment) WHERE ended = 0;
CREATE INDEX runs_by_environment ON runs (application, environment);

-- id is the run's n times 2^32 plus the entry's seq: the table is in the order
-- of the chains and needs no second index. line is the entry's JSON as hashed.
CREATE TABLE entries (
  id   INTEGER PRIMARY KEY,
  line BLOB NOT NULL
) STRICT;

-- For people with a database shell.
CREATE VIEW journal AS
  SELECT runs.id AS run, entries.id & 0xffffffff AS seq, CAST(entries.line AS TEXT) AS line
  FROM entries LEFT JOIN runs ON runs.n = entries.id >> 32;

CREATE TABLE leases (
  run      TEXT    PRIMARY KEY,
  fence    INTEGER NOT NULL,
  executor TEXT    NOT NULL,
  -- expires is in nanoseconds since 1970.
  expires  INTEGER NOT NULL,
  released INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE last_good (
  application TEXT NOT NULL,
  environment TEXT NOT NULL,
  run         TEXT NOT NULL,
  PRIMARY KEY (application, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  run     TEXT NOT NULL,
  request TEXT NOT NULL
) STRICT;
CREATE INDEX requests_by_run ON requests (run, id);

CREATE TABLE state (
  id TEXT NOT NULL
) STRICT;
