-- What stands in braces is replaced by the quoted name of the schema.

-- The server incarnations that this data has lived in. Transaction ids mean
-- something within one of them only; base lifts them above all earlier ones.
CREATE TABLE {schema}.epochs (
    epoch             bigint      PRIMARY KEY,
    base              bigint      NOT NULL,
    system_identifier bigint      NOT NULL,
    timeline          text        NOT NULL,
    since             timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The head of each stream, kept for ever.
-- state: 0 open, 1 deleted, 2 tombstoned. first: the lowest version not erased.
-- ord: that of the stream's last event.
CREATE TABLE {schema}.streams (
    tenant  text COLLATE "C" NOT NULL,
    stream  text COLLATE "C" NOT NULL,
    version bigint           NOT NULL,
    first   bigint           NOT NULL DEFAULT 1,
    ord     bigint           NOT NULL DEFAULT 0,
    state   smallint         NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, stream)
) WITH (fillfactor = 80);

-- xid: the id of the writing transaction, lifted by its epoch's base.
-- ord: the highest xid among this event and those before it in its stream, so
-- that (ord, seq) never contradicts the order of a stream.
-- The ids come first in their index, so that those of UUID version 7 are added
-- at its end. data is NULL once the event has been erased; its id stays used. Metadata is
-- NULL where it is empty.
CREATE SEQUENCE {schema}.events_seq;
CREATE TABLE {schema}.events (
    version        bigint           NOT NULL,
    seq            bigint           NOT NULL,
    ord            bigint           NOT NULL,
    xid            bigint           NOT NULL,
    recorded_at    timestamptz      NOT NULL DEFAULT clock_timestamp(),
    event_id       uuid             NOT NULL,
    schema_version integer          NOT NULL,
    tenant         text COLLATE "C" NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    type           text COLLATE "C" NOT NULL,
    data           bytea,
    correlation_id text,
    causation_id   text,
    actor          text,
    traceparent    text,
    extra          text,
    PRIMARY KEY (tenant, stream, version),
    UNIQUE (event_id, tenant, stream)
);
ALTER SEQUENCE {schema}.events_seq OWNED BY {schema}.events.seq;
CREATE INDEX events_ord ON {schema}.events (ord, seq);
-- The few events of transactions that had their id before they waited for a
-- stream; a reader who comes back for such a transaction finds them here.
CREATE INDEX events_late ON {schema}.events (xid) WHERE ord <> xid;
