-- Usage that comes as events, and holds that an app takes by itself.

-- What an event does that credits do not cover: 1 it is accepted, into debt; 2 it is refused. In the hot row, because the commit decides.
ALTER TABLE customers ADD COLUMN event_policy smallint NOT NULL DEFAULT 1 CHECK (event_policy IN (1, 2));

-- An explicit hold lives by a time of its own and by no writer's lease: writer_id is 0 then.
ALTER TABLE holds ADD COLUMN expires_at timestamptz;
CREATE INDEX holds_expiring ON holds (expires_at) WHERE expires_at IS NOT NULL;

-- Which events have been taken: (customer, source, id) once, whatever the event's time. Partitions are weeks of arrival and are
-- dropped whole when no event of their age is taken any more.
CREATE TABLE event_identities (
  customer_id  uuid NOT NULL,
  identity     uuid NOT NULL,                  -- BLAKE2b-128 of source, a zero byte, id
  week         integer NOT NULL,               -- of arrival: whole weeks since 1970
  call_id      uuid NOT NULL,
  content      uuid NOT NULL,                  -- BLAKE2b-128 of what the event says
  source       text NOT NULL,
  event_id     text NOT NULL,
  PRIMARY KEY (customer_id, identity, week)
) PARTITION BY RANGE (week);
CREATE TABLE event_identities_default PARTITION OF event_identities DEFAULT;
