-- The store tells its checkpoints from those of other files by its id, which
-- travels with every copy and dump of the file.
CREATE TABLE parlance_store (
    id TEXT NOT NULL
) STRICT;

INSERT INTO parlance_store (id) VALUES (lower(hex(randomblob(8))));

-- A row is never deleted: the version of a stream never goes back.
CREATE TABLE parlance_streams (
    id         INTEGER PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    category   TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    tombstoned INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

-- A row is never deleted either: an erased event keeps its ID, version and
-- position, and loses its data and metadata. AUTOINCREMENT keeps a position
-- from being given out twice even if somebody deletes rows by hand.
CREATE TABLE parlance_events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    stream         INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    event_id       BLOB    NOT NULL,
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    time           INTEGER NOT NULL, -- microseconds since 1970 UTC
    correlation_id TEXT    NOT NULL,
    causation_id   TEXT    NOT NULL,
    actor          TEXT    NOT NULL,
    trace_parent   TEXT    NOT NULL,
    extra          TEXT    NOT NULL, -- a JSON object, or nothing
    data           BLOB,             -- NULL once erased
    UNIQUE (stream, version),
    UNIQUE (stream, event_id)
) STRICT;
