-- Sums of usage, what reports of long times are read from, and what is kept of calls that are no longer there.

-- One row locks them all, so that they have one writer at a time over any number of instances.
CREATE TABLE rollup_state (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO rollup_state DEFAULT VALUES;

-- How far each writer's sequence is in the sums: advanced in the commit that adds them.
CREATE TABLE rollup_cursors (
  writer_id  integer PRIMARY KEY,
  seq        bigint NOT NULL
) WITH (fillfactor = 50);

-- What was used in a UTC quarter-hour; the time is the one in the calls' ids. Corrections are differences and add up.
CREATE TABLE usage_rollups (
  customer_id  uuid NOT NULL,
  key_id       uuid NOT NULL,
  price_id     uuid NOT NULL,
  quarter      integer NOT NULL,               -- the first that it covers: whole quarter-hours since 1970
  width        smallint NOT NULL CHECK (width IN (1, 4)), -- how many: 4, a whole hour, beside the quarters of it
  calls        bigint NOT NULL,                -- by the first row of each that settled it
  charge       bigint NOT NULL,
  cost         bigint NOT NULL,
  meters       text[] NOT NULL,                -- those that are summed up, sorted by name
  quantities   bigint[] NOT NULL,
  PRIMARY KEY (customer_id, width, quarter, key_id, price_id),
  CHECK (cardinality(meters) = cardinality(quantities))
) WITH (fillfactor = 80);

-- Customers with so many rows a quarter that hours are summed beside them, from that quarter on.
CREATE TABLE usage_dense (
  customer_id   uuid PRIMARY KEY,
  from_quarter  integer NOT NULL
);

-- Meters that are not summed up: how many calls had one, and its largest, its last or its distinct values.
CREATE TABLE usage_values (
  customer_id  uuid NOT NULL,
  quarter      integer NOT NULL,
  key_id       uuid NOT NULL,
  price_id     uuid NOT NULL,
  meter        text NOT NULL,
  aggregation  smallint NOT NULL,              -- as in meters, when it was written
  item         bigint NOT NULL,                -- unique: the value; else 0
  value        bigint NOT NULL,                -- max: the largest; last: the last call's; unique: the value
  calls        bigint NOT NULL,
  last_call    uuid NOT NULL,
  PRIMARY KEY (customer_id, quarter, key_id, price_id, meter, aggregation, item)
);

-- A writer's calls are looked up by their sequence, beside those of others: two that stand far apart do not hide each other.
DROP INDEX calls_order;
CREATE INDEX calls_order ON calls USING brin (writer_id, seq int8_minmax_multi_ops (values_per_range = 8)) WITH (pages_per_range = 64, autosummarize = on);

-- Up to where calls are no longer kept: `closed`, none of before then is changed any more; `dropped`, they are gone. Smallest
-- ids of their instants. In between they are walked, up to (walked_customer, walked_call).
CREATE TABLE calls_kept (
  one              boolean PRIMARY KEY DEFAULT true CHECK (one),
  closed           uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  dropped          uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  closed_at        timestamptz NOT NULL DEFAULT now(),
  walked           boolean NOT NULL DEFAULT true,
  walked_customer  uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  walked_call      uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
INSERT INTO calls_kept DEFAULT VALUES;

-- Of dropped calls, what they had in batches that were written after their time: the audit holds those batches to it.
CREATE TABLE calls_dropped (
  until        uuid NOT NULL,                  -- calls_kept.closed as they were walked
  customer_id  uuid NOT NULL,
  writer_id    integer NOT NULL,
  seq          bigint NOT NULL,
  charged      bigint NOT NULL,
  given_back   bigint NOT NULL,
  PRIMARY KEY (customer_id, writer_id, seq, until)
);
