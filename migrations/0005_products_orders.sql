-- What is sold through Stripe, to whom, and what Stripe says about it. Prices are in minor units, as Stripe counts them;
-- credits are nanocredits. Nothing here moves credits: that is the ledger's.

CREATE TABLE products (
  id                        uuid PRIMARY KEY,
  kind                      smallint NOT NULL CHECK (kind IN (1, 2)),        -- 1 pack, 2 plan
  name                      text NOT NULL,
  description               text NOT NULL DEFAULT '',
  currency                  text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  price                     bigint NOT NULL CHECK (price > 0),
  credits                   bigint NOT NULL CHECK (credits > 0),             -- of a plan: each period
  bonus                     bigint NOT NULL DEFAULT 0 CHECK (bonus >= 0),    -- given as a promotional grant
  expires_after_days        integer CHECK (expires_after_days > 0),          -- null: never
  bonus_expires_after_days  integer CHECK (bonus_expires_after_days > 0),
  period                    smallint CHECK (period IN (1, 2)),               -- plans: 1 month, 2 year
  rollover                  smallint NOT NULL DEFAULT 1 CHECK (rollover IN (1, 2, 3)), -- plans: credits 1 end with their period, 2 one more, 3 stay
  trial_credits             boolean NOT NULL DEFAULT false,                  -- plans: a period that cost nothing grants too
  stripe_price              text UNIQUE,                                     -- mirrored; null: sent as price_data
  tax_code                  text,
  enabled                   boolean NOT NULL DEFAULT true,
  created_at                timestamptz NOT NULL DEFAULT now(),
  updated_at                timestamptz NOT NULL DEFAULT now(),
  CHECK ((kind = 2) = (period IS NOT NULL))
);

-- One thing bought, from before Stripe is asked. What it costs and brings is copied from the product, so that a product
-- may change. A state only moves up in rank: open < awaiting_payment < failed, expired, cancelled < paid.
CREATE TABLE orders (
  customer_id               uuid NOT NULL,
  id                        uuid NOT NULL,
  kind                      smallint NOT NULL CHECK (kind IN (1, 2, 3, 4)),  -- 1 purchase, 2 top_up, 3 subscription, 4 setup
  state                     smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 6), -- 1 open, 2 awaiting_payment, 3 failed, 4 expired, 5 cancelled, 6 paid
  product_id                uuid,
  currency                  text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
  price                     bigint NOT NULL CHECK (price >= 0),              -- of all of it, before tax and discounts
  credits                   bigint NOT NULL CHECK (credits >= 0),
  bonus                     bigint NOT NULL DEFAULT 0 CHECK (bonus >= 0),
  expires_after_days        integer CHECK (expires_after_days > 0),
  bonus_expires_after_days  integer CHECK (bonus_expires_after_days > 0),
  livemode                  boolean NOT NULL,
  attempt                   integer NOT NULL DEFAULT 1 CHECK (attempt > 0),  -- part of the Idempotency-Key at Stripe
  request                   text NOT NULL DEFAULT '',                        -- the frozen form that was or will be sent; '': not made yet
  stripe_id                 text,                                            -- cs_ or pi_
  url                       text,                                            -- where the buyer pays
  url_expires_at            timestamptz,
  problem                   text NOT NULL DEFAULT '',                        -- why it failed
  created_at                timestamptz NOT NULL DEFAULT now(),
  updated_at                timestamptz NOT NULL DEFAULT now(),
  paid_at                   timestamptz,
  PRIMARY KEY (customer_id, id),
  CHECK (kind = 4 OR (price > 0 AND credits > 0)),
  CHECK (kind <> 4 OR (price = 0 AND credits = 0 AND bonus = 0 AND product_id IS NULL)),
  CHECK ((state = 6) = (paid_at IS NOT NULL))
);
-- What may still be paid: asked for at Stripe now and then.
CREATE INDEX orders_waiting ON orders (created_at) WHERE state IN (1, 2);

-- Whose a thing at Stripe is: cus_, cs_, pi_, sub_, in_, ch_.
CREATE TABLE stripe_objects (
  id           text PRIMARY KEY,
  customer_id  uuid NOT NULL,
  order_id     uuid,
  created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX stripe_objects_customer ON stripe_objects (customer_id);

-- What Stripe knows of a customer, and what was learnt of how it pays.
CREATE TABLE billing (
  customer_id      uuid PRIMARY KEY,
  stripe_customer  text,
  email            text NOT NULL DEFAULT '',
  payment_method   text,
  brand            text NOT NULL DEFAULT '',
  last4            text NOT NULL DEFAULT '',
  exp_month        integer CHECK (exp_month BETWEEN 1 AND 12),
  exp_year         integer CHECK (exp_year > 0),
  fingerprint      text NOT NULL DEFAULT '',
  past_due         boolean NOT NULL DEFAULT false,
  disputed         boolean NOT NULL DEFAULT false,                           -- an inquiry or dispute is open
  updated_at       timestamptz NOT NULL DEFAULT now()
);

-- Events as Stripe sent them, byte for byte, from before they are acted upon.
CREATE TABLE stripe_events (
  id           text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
  type         text NOT NULL CHECK (length(type) BETWEEN 1 AND 255),
  object_id    text NOT NULL DEFAULT '',
  livemode     boolean NOT NULL,
  api_version  text NOT NULL DEFAULT '',
  created      bigint NOT NULL,                                              -- seconds since 1970; orders nothing
  body         bytea NOT NULL,
  thin         boolean NOT NULL DEFAULT false,
  state        smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3, 4)),    -- 1 received, 2 done, 3 ignored, 4 parked
  attempts     integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  due_at       timestamptz NOT NULL DEFAULT now(),
  reason       text NOT NULL DEFAULT '',
  received_at  timestamptz NOT NULL DEFAULT now(),
  done_at      timestamptz
);
ALTER TABLE stripe_events ALTER COLUMN body SET COMPRESSION lz4;
CREATE INDEX stripe_events_due ON stripe_events (due_at) WHERE state = 1;
CREATE INDEX stripe_events_received ON stripe_events (received_at);
CREATE INDEX stripe_events_parked ON stripe_events (received_at) WHERE state = 4;
