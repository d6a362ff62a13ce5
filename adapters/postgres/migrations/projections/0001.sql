-- How far each version of each projection has got, and who may write it.
CREATE TABLE {schema}.projections (
    name        text        NOT NULL COLLATE "C",
    version     integer     NOT NULL CHECK (version > 0),
    status      smallint    NOT NULL CHECK (status BETWEEN 1 AND 4), -- cqrs.Status
    fresh       boolean     NOT NULL DEFAULT true,
    epoch       bigint      NOT NULL DEFAULT 0,
    owner       text        NOT NULL DEFAULT '',
    lease_until timestamptz,
    checkpoint  text        NOT NULL DEFAULT '',
    applied     bigint      NOT NULL DEFAULT 0,
    tables      text[]      NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, version)
) WITH (fillfactor = 50); -- room for updates in place: each batch of events is one

CREATE UNIQUE INDEX projections_active ON {schema}.projections (name) WHERE status = 2;
