-- One row an append, in the order in which they came: all rows of a flush lie
-- together, whichever runs they belong to. lines holds the entries' JSON as
-- hashed, one a line; first is the seq of the first one.
CREATE TABLE appends (
  id    INTEGER PRIMARY KEY,
  run   INTEGER NOT NULL,
  first INTEGER NOT NULL,
  lines BLOB    NOT NULL
) STRICT;

INSERT INTO appends (run, first, lines) SELECT id >> 32, id & 0xffffffff, line FROM entries ORDER BY id;
CREATE UNIQUE INDEX appends_by_run ON appends (run, first);

DROP VIEW journal;
DROP TABLE entries;

-- For people with a database shell.
CREATE VIEW journal AS
  SELECT runs.id AS run, appends.first + line.key AS seq, line.value AS line
  FROM appends LEFT JOIN runs ON runs.n = appends.run,
    json_each('[' || replace(CAST(appends.lines AS TEXT), char(10), ',') || ']') AS line;

-- For an older executor that carries a run out while a newer one opens the
-- journal: it goes on writing as it did.
CREATE VIEW entries AS SELECT (run << 32) + first AS id, lines AS line FROM appends;
CREATE TRIGGER older_entries INSTEAD OF INSERT ON entries BEGIN
  INSERT INTO appends (run, first, lines) VALUES (NEW.id >> 32, NEW.id & 0xffffffff, NEW.line);
END;
