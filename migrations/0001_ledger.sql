-- The ledger and what stands around it. Amounts are bigint nanocredits (10^-9 credit); ids are UUIDv7; customer_id leads
-- every key of a table that a call touches, so that the database can be sharded by customer. Nothing here decides: the
-- rules are in server/ledger; the constraints are the second of the pair and never fire.

-- Small reference tables ------------------------------------------------------------------------------------------------

CREATE TABLE providers (
  id          uuid PRIMARY KEY,
  name        text NOT NULL UNIQUE,            -- "openai": what provider/model forces
  plugin      text NOT NULL,
  base_url    text NOT NULL,
  secret      bytea,                           -- sealed under the master key, bound to the row's id
  settings    jsonb NOT NULL DEFAULT '{}',
  models      jsonb NOT NULL DEFAULT '{}',     -- {"model as sold": "upstream's name"} where they differ
  priority    integer NOT NULL DEFAULT 100,    -- among providers that price a model, the lowest serves first
  enabled     boolean NOT NULL DEFAULT true,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);

-- A version of what a model costs at a provider. Rows are never changed but for valid_until.
CREATE TABLE prices (
  id           uuid PRIMARY KEY,
  provider_id  uuid NOT NULL REFERENCES providers,
  model        text NOT NULL,
  valid_from   timestamptz NOT NULL,
  valid_until  timestamptz,
  max_input    bigint NOT NULL DEFAULT 0,      -- tokens; 0: not told
  max_output   bigint NOT NULL DEFAULT 0,
  created_at   timestamptz NOT NULL DEFAULT now(),
  CHECK (valid_until > valid_from),
  UNIQUE (provider_id, model, valid_from)
);
CREATE TABLE price_rates (
  price_id  uuid NOT NULL REFERENCES prices,
  meter     text NOT NULL,
  per       integer NOT NULL CHECK (per IN (1, 1000, 1000000)),
  charge    bigint NOT NULL CHECK (charge >= 0), -- nanocredits for `per` units
  cost      bigint NOT NULL CHECK (cost >= 0),   -- nano-units of the operator's currency for `per` units
  PRIMARY KEY (price_id, meter)
);

-- One row, bumped by every change of providers and prices: what the instances' snapshots are compared with.
CREATE TABLE catalogue (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  version  bigint NOT NULL DEFAULT 1
);
INSERT INTO catalogue DEFAULT VALUES;

-- Customers -------------------------------------------------------------------------------------------------------------

-- The hot row: locked by every movement, and nothing in it but what a movement needs.
CREATE TABLE customers (
  id              uuid PRIMARY KEY,
  config_version  bigint NOT NULL DEFAULT 1,   -- bumped by whatever changes this customer's keys, limits, prices or status
  balance         bigint NOT NULL DEFAULT 0,   -- what the grants have left, less debt
  held            bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  debt            bigint NOT NULL DEFAULT 0 CHECK (debt >= 0),
  credit_limit    bigint NOT NULL DEFAULT 0 CHECK (credit_limit >= 0),
  status          smallint NOT NULL DEFAULT 1 CHECK (status IN (1, 2)) -- 1 active, 2 suspended
) WITH (fillfactor = 50);
-- The tag inside a call's public id finds its customer.
CREATE INDEX customers_tag ON customers (substring(uuid_send(id) FROM 13 FOR 4));

CREATE TABLE customer_profiles (
  customer_id   uuid PRIMARY KEY,
  external_id   text,
  name          text NOT NULL DEFAULT '',
  time_zone     text NOT NULL DEFAULT 'UTC',
  short_policy  smallint NOT NULL DEFAULT 1 CHECK (short_policy IN (1, 2, 3)), -- credits do not cover the hold: 1 refuse, 2 lower the cap, 3 allow debt
  short_debt    bigint NOT NULL DEFAULT 0 CHECK (short_debt >= 0),             -- policy 3: at most this much debt a call
  metadata      jsonb NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);
-- The app's own ids: a directory of its own, because nothing else is unique across customers.
CREATE TABLE customer_names (
  external_id  text PRIMARY KEY,
  customer_id  uuid NOT NULL
);

CREATE TABLE keys (
  customer_id     uuid NOT NULL,               -- nil: the operator's
  id              uuid NOT NULL,
  public_id       text NOT NULL,               -- 12 base62 characters, part of the key's text
  tag             bytea NOT NULL,              -- keyed BLAKE2b-256 of the whole text
  pepper_version  smallint NOT NULL DEFAULT 1,
  kind            text NOT NULL CHECK (kind IN ('sk', 'ad')),
  last4           text NOT NULL,
  name            text NOT NULL DEFAULT '',
  created_at      timestamptz NOT NULL DEFAULT now(),
  expires_at      timestamptz,
  revoked_at      timestamptz,
  PRIMARY KEY (customer_id, id)
);
CREATE TABLE key_directory (
  public_id    text PRIMARY KEY,
  customer_id  uuid NOT NULL,
  key_id       uuid NOT NULL
);

-- What a replayed write returns. Rows go by age (the only ones that do).
CREATE TABLE idempotency (
  customer_id  uuid NOT NULL,                  -- whose resource was written; nil: the operator's own
  key          text NOT NULL,                  -- "<caller's key id>:<Idempotency-Key>"
  fingerprint  bytea NOT NULL,                 -- hash of method, path and body
  object_id    uuid NOT NULL,                  -- what the first one made
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, key)
);
CREATE INDEX idempotency_age ON idempotency USING brin (created_at);

-- Limits and buckets ----------------------------------------------------------------------------------------------------

CREATE TABLE limits (
  customer_id  uuid NOT NULL,
  id           uuid NOT NULL,
  key_id       uuid,                           -- null: binds the customer
  measure      smallint NOT NULL CHECK (measure IN (1, 2)),           -- 1 requests, 2 spend
  period       smallint NOT NULL CHECK (period IN (1, 2, 3, 4)),      -- 1 minute (refilling), 2 day, 3 month, 4 total
  amount       bigint NOT NULL CHECK (amount >= 0),                   -- requests, or nanocredits
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, id),
  CHECK ((measure = 1) = (period = 1))
);
CREATE TABLE buckets (
  customer_id   uuid NOT NULL,
  limit_id      uuid NOT NULL,
  -- a rate: how much is in it, in micro-units of a second's refill, at the time of its last draw
  level         bigint NOT NULL DEFAULT 0 CHECK (level >= 0),
  drawn_at      bigint NOT NULL DEFAULT 0,     -- microseconds since 1970; 0: never, so full
  -- a budget: one calendar window in the customer's time zone
  window_start  bigint NOT NULL DEFAULT 0,     -- microseconds since 1970; of a total: 0
  window_end    bigint NOT NULL DEFAULT 0,     -- of a total: the end of time
  used          bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
  held          bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  PRIMARY KEY (customer_id, limit_id)
) WITH (fillfactor = 50);

-- The ledger ------------------------------------------------------------------------------------------------------------

CREATE TABLE writers (
  id           integer PRIMARY KEY,
  epoch        bigint NOT NULL,
  seq          bigint NOT NULL,                -- of the last committed batch; gapless
  lease_until  timestamptz NOT NULL,
  instance     text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);

CREATE TABLE grants (
  customer_id  uuid NOT NULL,
  id           uuid NOT NULL,
  source       smallint NOT NULL CHECK (source IN (1, 2, 3, 4)), -- 1 purchase, 2 promotion, 3 subscription, 4 adjustment
  priority     smallint NOT NULL DEFAULT 100,  -- lower burns first; then earliest expiry, then oldest
  expires_at   timestamptz,
  open         boolean NOT NULL,               -- something is left: kept apart so that an update of left stays cheap
  granted      bigint NOT NULL CHECK (granted > 0),
  left_over    bigint NOT NULL CHECK (left_over >= 0),
  consumed     bigint NOT NULL DEFAULT 0 CHECK (consumed >= 0),
  expired      bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
  refunded     bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
  frozen       bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),
  reason       text NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, id),
  CHECK (open = (left_over > 0)),
  CHECK (granted = left_over + consumed + expired + refunded + frozen)
) WITH (fillfactor = 50);
CREATE INDEX grants_open ON grants (customer_id) WHERE open;
CREATE INDEX grants_expiring ON grants (expires_at) WHERE open AND expires_at IS NOT NULL;

-- Pending calls: small, hot, deleted when they end.
CREATE TABLE holds (
  customer_id  uuid NOT NULL,
  call_id      uuid NOT NULL,
  key_id       uuid NOT NULL,
  price_id     uuid NOT NULL,                  -- pinned at admission
  writer_id    integer NOT NULL,               -- whose lease it lives by
  writer_epoch bigint NOT NULL,
  amount       bigint NOT NULL CHECK (amount >= 0),
  metered      bigint NOT NULL CHECK (metered >= 0), -- what a dead instance's call is charged: its input, or what the last extension had metered
  cost         bigint NOT NULL CHECK (cost >= 0),    -- the provider cost of that
  usage        jsonb NOT NULL,                       -- the usage behind both
  draws        bytea NOT NULL DEFAULT '',      -- (limit 16, window 8, amount 8) each, big-endian: what to give back to which bucket
  about        jsonb NOT NULL DEFAULT '{}',    -- for the evidence: endpoint, model asked for, hold's history
  PRIMARY KEY (customer_id, call_id)
) WITH (fillfactor = 70);
CREATE INDEX holds_writer ON holds (writer_id, writer_epoch);

-- Ended calls and corrections, append-only. The time is in the id (UUIDv7), and so are the partitions' bounds.
CREATE TABLE calls (
  customer_id  uuid NOT NULL,
  id           uuid NOT NULL,
  key_id       uuid NOT NULL,
  price_id     uuid NOT NULL,
  charge       bigint NOT NULL,                -- of a correction: the difference
  cost         bigint NOT NULL,
  place        bigint NOT NULL,                -- offset inside its transfer
  seq          bigint NOT NULL,
  writer_id    integer NOT NULL,
  revision     smallint NOT NULL DEFAULT 0,    -- 0: how it ended; above: corrections
  state        smallint NOT NULL CHECK (state BETWEEN 2 AND 6), -- as server/ledger/state.h numbers them
  flags        smallint NOT NULL DEFAULT 0,
  usage        jsonb NOT NULL,                 -- {"meter": quantity}, disjoint; of a correction: the differences
  PRIMARY KEY (customer_id, id, revision)
) PARTITION BY RANGE (id);
CREATE INDEX calls_order ON calls USING brin (writer_id, seq) WITH (pages_per_range = 32, autosummarize = on);
CREATE TABLE calls_default PARTITION OF calls DEFAULT;

CREATE TABLE call_evidence (
  customer_id  uuid NOT NULL,
  call_id      uuid NOT NULL,
  revision     smallint NOT NULL DEFAULT 0,
  evidence     jsonb NOT NULL,
  PRIMARY KEY (customer_id, call_id, revision)
) PARTITION BY RANGE (call_id);
ALTER TABLE call_evidence ALTER COLUMN evidence SET COMPRESSION lz4;
CREATE TABLE call_evidence_default PARTITION OF call_evidence DEFAULT;

-- One row a movement and batch; balanced by construction: `amount` leaves one account and enters the other.
CREATE TABLE transfers (
  customer_id   uuid NOT NULL,
  writer_id     integer NOT NULL,
  seq           bigint NOT NULL,
  ordinal       smallint NOT NULL,             -- within the batch; 0 is the consumption of the batch's calls
  kind          smallint NOT NULL,             -- as server/ledger/transfer.h numbers them
  amount        bigint NOT NULL CHECK (amount >= 0),
  leg_grants    uuid[] NOT NULL,               -- in burn order; nil: debt
  leg_amounts   bigint[] NOT NULL,
  reason        text NOT NULL DEFAULT '',
  at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, writer_id, seq, ordinal),
  CHECK (cardinality(leg_grants) = cardinality(leg_amounts))
);
