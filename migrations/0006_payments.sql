-- What Stripe says of payments, and what that does to the ledger. Facts come from events in any order, twice, or not at all;
-- each is kept by its own rule of what may follow what. A payment whose facts have moved is `pending` until the ledger has
-- been told what is to stand; telling it twice changes nothing.

-- What a grant was given for, once and for ever; and what was paid for it.
ALTER TABLE grants ADD COLUMN origin text NOT NULL DEFAULT '';   -- "grant:pi_…", "bonus:pi_…", "code:…"; empty: none
ALTER TABLE grants ADD COLUMN paid bigint CHECK (paid >= 0);     -- minor units as Stripe counts them; null: nothing was paid
ALTER TABLE grants ADD COLUMN currency text;
ALTER TABLE grants ADD CONSTRAINT grants_paid CHECK ((paid IS NULL) = (currency IS NULL));
ALTER TABLE grants ADD COLUMN told smallint NOT NULL DEFAULT 0;  -- of its coming expiry: 1 a month ahead, 2 a week ahead
CREATE UNIQUE INDEX grants_origin ON grants (customer_id, origin) WHERE origin <> '';

-- Below what a balance is told as low, and at what available credits are bought.
ALTER TABLE customers ADD COLUMN low_balance bigint CHECK (low_balance >= 0);
ALTER TABLE customers ADD COLUMN top_up_at bigint CHECK (top_up_at >= 0);
ALTER TABLE customers ADD COLUMN top_up_due boolean NOT NULL DEFAULT false; -- set by the ledger with the movement that went below
CREATE INDEX customers_top_up ON customers (id) WHERE top_up_due;

-- What was paid, once for each: a PaymentIntent, a Checkout Session that had nothing to pay, a line of an invoice.
CREATE TABLE payments (
  reference         text PRIMARY KEY,          -- "pi_…", "cs_…", "in_…:il_…"
  customer_id       uuid NOT NULL,
  id                uuid NOT NULL,             -- pay_…
  order_id          uuid,
  product_id        uuid,
  kind              smallint NOT NULL CHECK (kind IN (1, 2, 3, 4)), -- 1 purchase, 2 top-up, 3 plan's period, 4 nothing to pay
  paid              bigint NOT NULL CHECK (paid >= 0), -- minor units, tax and all: what refunds and disputes are a part of
  net               bigint NOT NULL CHECK (net >= 0),  -- of it, what the credits cost
  currency          text NOT NULL,
  credits           bigint NOT NULL CHECK (credits > 0),
  bonus             bigint NOT NULL DEFAULT 0 CHECK (bonus >= 0),
  expires_at        timestamptz,               -- of the credits
  bonus_expires_at  timestamptz,
  payment_intent    text NOT NULL DEFAULT '',  -- what refunds and disputes name
  invoice           text NOT NULL DEFAULT '',
  pending           boolean NOT NULL DEFAULT true,
  refunded          bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0), -- minor units, as the ledger was told last
  disputed          boolean NOT NULL DEFAULT false,
  problem           text NOT NULL DEFAULT '',  -- what a person has to look at
  created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payments_pending ON payments (created_at) WHERE pending;
CREATE UNIQUE INDEX payments_customer ON payments (customer_id, id);
CREATE INDEX payments_problem ON payments (id) WHERE problem <> '';
CREATE INDEX payments_intent ON payments (payment_intent) WHERE payment_intent <> '';
CREATE INDEX payments_invoice ON payments (invoice) WHERE invoice <> '';

-- Refunds and disputes are known by the PaymentIntent, before anybody knows what it paid for.
CREATE TABLE refunds (
  id          text PRIMARY KEY,                -- re_…
  payment     text NOT NULL,                   -- the PaymentIntent; where none is told yet, the charge
  amount      bigint NOT NULL CHECK (amount >= 0),
  currency    text NOT NULL,
  back        boolean NOT NULL,                -- the money came back: beats being out
  status      text NOT NULL,                   -- Stripe's word
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refunds_payment ON refunds (payment);

CREATE TABLE disputes (
  id          text PRIMARY KEY,                -- du_…, dp_…
  payment     text NOT NULL,
  amount      bigint NOT NULL CHECK (amount >= 0),
  currency    text NOT NULL,
  state       smallint NOT NULL CHECK (state IN (1, 2, 3)), -- 1 no money moved, 2 withdrawn, 3 reinstated: the highest seen
  lost        boolean NOT NULL,                -- withdrawn for good, as far as is known
  open        boolean NOT NULL,                -- an inquiry or a dispute that is not decided
  status      text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX disputes_payment ON disputes (payment);

-- Which charge belongs to which PaymentIntent, for what names only the one; and what was refunded of it.
CREATE TABLE charges (
  id        text PRIMARY KEY,                  -- ch_…
  payment   text NOT NULL,                     -- '': not known yet
  refunded  bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0) -- the largest amount_refunded seen, minor units
);
CREATE INDEX charges_payment ON charges (payment);

-- Whatever is said of a PaymentIntent, or of an invoice, locks its row first: then of two that come at once the second sees
-- what the first wrote.
CREATE TABLE intents (
  id       text PRIMARY KEY,
  problem  text NOT NULL DEFAULT '' -- said of it before anybody knew what it paid for
);
CREATE TABLE invoice_payments (
  invoice         text PRIMARY KEY,
  payment_intent  text NOT NULL                -- '': not known yet
);

-- An event for which Stripe has to be asked something first: the GET path.
ALTER TABLE stripe_events ADD COLUMN wants text;

-- One row: until when Stripe's own list of events has been read. A restored database goes on from there.
CREATE TABLE stripe_reading (
  one       boolean PRIMARY KEY DEFAULT true CHECK (one),
  read_to   bigint NOT NULL                    -- seconds since 1970, by Stripe's clock
);

CREATE TABLE subscriptions (
  customer_id         uuid NOT NULL,
  id                  text NOT NULL,           -- sub_…
  product_id          uuid,
  status              text NOT NULL,
  quantity            bigint NOT NULL DEFAULT 1,
  cancel_at           timestamptz,
  current_period_end  timestamptz,
  stripe_created      bigint NOT NULL DEFAULT 0, -- of the newest event that said so; equal ones: the later received
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (customer_id, id)
);

-- Buying by itself: what the customer agreed to, and how it goes.
CREATE TABLE top_ups (
  customer_id    uuid PRIMARY KEY,
  enabled        boolean NOT NULL,
  threshold      bigint NOT NULL CHECK (threshold >= 0), -- nanocredits available, at or below which it buys
  product_id     uuid NOT NULL,                -- the pack that is bought, in whole
  target         bigint CHECK (target > threshold), -- as many packs as reach it; null: one
  most           integer NOT NULL CHECK (most BETWEEN 1 AND 1000), -- packs at once
  daily_count    integer NOT NULL CHECK (daily_count BETWEEN 1 AND 100),
  monthly_cap    bigint NOT NULL CHECK (monthly_cap > 0), -- minor units, a calendar month of UTC
  return_url     text NOT NULL,                -- where the customer goes from a page of Stripe
  state          smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)), -- 1 ready, 2 needs the customer, 3 suspended
  problem        text NOT NULL DEFAULT '',
  link           text,                         -- state 2: where the customer can act
  failures       integer NOT NULL DEFAULT 0,   -- in a row
  retry_at       timestamptz,                  -- not before
  consent_at     timestamptz NOT NULL,
  consent_by     text NOT NULL,                -- the key that said that the customer agreed
  consent_text   text NOT NULL,                -- the version of the text that was agreed to
  consent_terms  json NOT NULL,                -- threshold, amount and caps as they were then
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now()
);
-- One in flight for a customer, whoever tries.
CREATE UNIQUE INDEX orders_top_up ON orders (customer_id) WHERE kind = 2 AND state IN (1, 2);

-- Settled usage on its way to Stripe's billing meters: summed once for each writer's stretch of batches, then sent under an
-- identifier of its own until Stripe has it.
CREATE TABLE stripe_meter_progress (
  writer_id  integer PRIMARY KEY,
  seq        bigint NOT NULL                   -- of the last batch that was summed
);
CREATE TABLE stripe_meter_events (
  identifier   text PRIMARY KEY,
  customer_id  uuid NOT NULL,
  meter        text NOT NULL,                  -- ours; "charge": nanocredits
  value        bigint NOT NULL,
  made_at      timestamptz NOT NULL DEFAULT now(),
  due_at       timestamptz NOT NULL DEFAULT now(),
  given_up     boolean NOT NULL DEFAULT false, -- refused, or a day old: Stripe may not know the identifier any more
  problem      text NOT NULL DEFAULT ''
);
CREATE INDEX stripe_meter_events_due ON stripe_meter_events (due_at) WHERE NOT given_up;
