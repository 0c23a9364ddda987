-- Calls priced again: a job that is simulated first and posted then, and what it makes of each customer.

CREATE TABLE rerates (
  id                 uuid PRIMARY KEY,
  state              smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6), -- as server/rerate/rerate.h numbers them
  from_at            timestamptz NOT NULL,
  to_at              timestamptz NOT NULL,
  customer_id        uuid,                     -- of these five null: any
  key_id             uuid,
  model              text,
  provider_id        uuid REFERENCES providers,
  priced_at          timestamptz,              -- which prices: null: those in force at each call's own time; else those in force then
  only_unrated       boolean NOT NULL,
  reason             text NOT NULL,
  made_by            uuid NOT NULL,            -- the operator's key
  catalogue_version  bigint NOT NULL,          -- the price book that it goes by, and whose prices are pinned
  -- who is at work on it, and where
  lease_id           uuid,
  lease_until        timestamptz,
  cursor_customer    uuid NOT NULL,
  cursor_call        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  -- found by the simulation: of calls that would change, but for seen and unpriced
  seen               bigint NOT NULL DEFAULT 0,
  unpriced           bigint NOT NULL DEFAULT 0, -- the book has no price for their usage
  calls              bigint NOT NULL DEFAULT 0,
  customers          bigint NOT NULL DEFAULT 0,
  charge_before      bigint NOT NULL DEFAULT 0,
  charge_after       bigint NOT NULL DEFAULT 0,
  cost_before        bigint NOT NULL DEFAULT 0,
  cost_after         bigint NOT NULL DEFAULT 0,
  -- done by the posting
  posted             bigint NOT NULL DEFAULT 0,
  skipped            bigint NOT NULL DEFAULT 0, -- changed meanwhile
  posted_difference  bigint NOT NULL DEFAULT 0,
  problem            text NOT NULL DEFAULT '',
  created_at         timestamptz NOT NULL DEFAULT now(),
  simulated_at       timestamptz,
  post_asked_at      timestamptz,
  ended_at           timestamptz
) WITH (fillfactor = 50);
CREATE INDEX rerates_working ON rerates (id) WHERE state IN (1, 3);

-- What it was simulated with, so that exactly that is posted: how far each writer was, and the prices with their ends.
CREATE TABLE rerate_pins (
  rerate_id    uuid PRIMARY KEY REFERENCES rerates,
  writer_ids   integer[] NOT NULL,             -- in order
  writer_seqs  bigint[] NOT NULL,
  price_ids    uuid[] NOT NULL,                -- in order
  price_ends   bigint[] NOT NULL               -- microseconds since 1970; 0: open
);

CREATE TABLE rerate_customers (
  rerate_id          uuid NOT NULL,
  customer_id        uuid NOT NULL,
  calls              bigint NOT NULL,
  charge_before      bigint NOT NULL,
  charge_after       bigint NOT NULL,
  cost_before        bigint NOT NULL,
  cost_after         bigint NOT NULL,
  posted             bigint NOT NULL DEFAULT 0,
  skipped            bigint NOT NULL DEFAULT 0,
  posted_difference  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (rerate_id, customer_id)
);

-- How far the calls that wait for a price have been tried: one row.
CREATE TABLE parked_calls (
  one                boolean PRIMARY KEY DEFAULT true CHECK (one),
  catalogue_version  bigint NOT NULL DEFAULT 0, -- the last one that all were tried with
  trying_version     bigint NOT NULL DEFAULT 0, -- of the round under way; 0: none is
  again_at           timestamptz NOT NULL DEFAULT '-infinity', -- the next round, whether the book has changed or not
  lease_id           uuid,
  lease_until        timestamptz,
  cursor_customer    uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  cursor_call        uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  rated              bigint NOT NULL DEFAULT 0  -- ever
);
INSERT INTO parked_calls DEFAULT VALUES;

-- Only rows of calls that ended without a price are in it: of all others an insert costs the look at their state.
CREATE INDEX calls_unrated ON calls (customer_id, id) WHERE state = 5;
