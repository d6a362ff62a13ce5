-- How far each version of a projection has got, and who may move it.
CREATE TABLE parlance_projections (
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    status      INTEGER NOT NULL, -- 1 building, 2 active, 3 retired, 4 dropped
    tables      TEXT    NOT NULL, -- a JSON array
    epoch       INTEGER NOT NULL,
    owner       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL, -- microseconds since 1970 UTC
    fresh       INTEGER NOT NULL,
    checkpoint  TEXT    NOT NULL,
    applied     INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
