-- Webhooks: what is told to the outside, to whom, and what became of it. Event ids are UUIDv7 of the database's clock; a
-- delivery is named by its endpoint and its event.

-- Told, and not yet handed to endpoints: written in the commit of the fact itself, deleted by the one that hands it on.
CREATE TABLE outbox (
  id              uuid PRIMARY KEY,
  customer_id     uuid NOT NULL,               -- nil: the operator's own
  type            text NOT NULL,               -- as server/event/event.h lists them; of a forwarded one: Stripe's
  data            json NOT NULL,
  stripe_event    text,                        -- stripe_events.id: its body is sent on as it came
  request_id      text,                        -- the API request that caused it; null: none
  idempotency_key text,
  created_at      timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- One row: what anybody listens to. Whatever changes endpoints sets it in the same commit; who would tell an event looks here
-- first. Who hands events on holds its lock, so that one instance does it at a time.
CREATE TABLE outbox_wanted (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  usage     boolean NOT NULL DEFAULT false,    -- an enabled endpoint takes usage.settled
  anything  boolean NOT NULL DEFAULT false,    -- there is an enabled endpoint
  forwards  boolean NOT NULL DEFAULT false,    -- an enabled endpoint takes Stripe's events
  version   bigint NOT NULL DEFAULT 1          -- bumped by every change of endpoints: what the senders' copies are compared with
);
INSERT INTO outbox_wanted DEFAULT VALUES;

CREATE TABLE webhook_endpoints (
  id              uuid PRIMARY KEY,
  url             text NOT NULL,
  description     text NOT NULL DEFAULT '',
  events          text[] NOT NULL,             -- types, or {*}
  scheme          smallint NOT NULL DEFAULT 1 CHECK (scheme IN (1, 2)), -- 1 standard, 2 stripe
  forward_stripe  boolean NOT NULL DEFAULT false,
  api_version     text NOT NULL,               -- what the envelope says
  enabled         boolean NOT NULL DEFAULT true,
  disabled_reason smallint NOT NULL DEFAULT 0 CHECK (disabled_reason BETWEEN 0 AND 3), -- 0 enabled, 1 by the operator, 2 it is gone, 3 it only failed
  secret          bytea NOT NULL,              -- sealed under the master key, bound to the row's id and to what it is
  old_secret      bytea,                       -- signs too, until then
  old_until       timestamptz,
  sign_key        bytea NOT NULL,              -- Ed25519, sealed likewise
  public_key      bytea NOT NULL,
  failing_since   timestamptz,                 -- the first failure after the last success; null: none
  failures        integer NOT NULL DEFAULT 0,  -- attempts that failed since then
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CHECK (enabled = (disabled_reason = 0)),
  CHECK ((old_secret IS NULL) = (old_until IS NULL))
) WITH (fillfactor = 50);

-- Counts the events of each customer that were handed on.
CREATE TABLE webhook_sequences (
  customer_id  uuid PRIMARY KEY,
  last         bigint NOT NULL
) WITH (fillfactor = 50);

-- What was handed on, once for all endpoints. Partitioned by day, dropped whole.
CREATE TABLE webhook_events (
  id              uuid PRIMARY KEY,
  customer_id     uuid NOT NULL,
  sequence        bigint,                      -- of that customer; null: forwarded, or a test
  type            text NOT NULL,
  data            json NOT NULL,
  stripe_event    text,
  request_id      text,
  idempotency_key text,
  size            integer NOT NULL,            -- bytes of the data or of Stripe's body: what a sender takes at once is bounded
  created_at      timestamptz NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE webhook_events_default PARTITION OF webhook_events DEFAULT;

-- Deliveries that are still to be made: small, hot, deleted when they end.
CREATE TABLE webhook_queue (
  endpoint_id   uuid NOT NULL,
  event_id      uuid NOT NULL,
  due_at        timestamptz NOT NULL DEFAULT now(),
  leased_until  timestamptz NOT NULL DEFAULT '-infinity', -- a sender has it until then
  claim         integer NOT NULL DEFAULT 0,    -- which lease that is
  tries         smallint NOT NULL DEFAULT 0,   -- its place in the schedule
  attempts      jsonb NOT NULL DEFAULT '[]',   -- what came of each, as the API shows them
  PRIMARY KEY (endpoint_id, event_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX webhook_queue_due ON webhook_queue (endpoint_id, due_at);

-- Deliveries that have ended. One that is sent again goes back to the queue.
CREATE TABLE webhook_deliveries (
  endpoint_id  uuid NOT NULL,
  event_id     uuid NOT NULL,
  state        smallint NOT NULL CHECK (state IN (2, 3)), -- 2 delivered, 3 failed; 1 is what waits in the queue
  attempts     jsonb NOT NULL,
  ended_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (endpoint_id, event_id)
) PARTITION BY RANGE (event_id);
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id, event_id) WHERE state = 3;
CREATE TABLE webhook_deliveries_default PARTITION OF webhook_deliveries DEFAULT;
