-- Receipts and redeem codes.

-- What the customer's balance is after the whole commit that a transfer belongs to: of concurrent writers nothing else says
-- in which order they came. Null: from before it was kept.
ALTER TABLE transfers ADD COLUMN balance bigint;

-- The public halves of the keys that receipts are signed with. They stay, so that whoever keeps a receipt can check it.
CREATE TABLE receipt_keys (
  version     integer PRIMARY KEY CHECK (version > 0),
  kid         text NOT NULL UNIQUE,            -- RFC 7638
  public_key  bytea NOT NULL CHECK (length(public_key) = 32),
  signs_from  timestamptz NOT NULL,            -- it is published before
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- What is written on a voucher. The text itself is nowhere: whoever reads this can redeem nothing.
CREATE TABLE codes (
  id                  uuid PRIMARY KEY,
  batch_id            uuid,                    -- made in one request with others; null: alone
  tag                 bytea NOT NULL UNIQUE,   -- keyed BLAKE2b-256 of the text in its one form
  pepper_version      smallint NOT NULL DEFAULT 1,
  prefix              text NOT NULL,
  last4               text NOT NULL,
  name                text NOT NULL,
  amount              bigint NOT NULL CHECK (amount > 0),
  most                integer NOT NULL CHECK (most > 0),                -- customers that may redeem it
  redeemed            integer NOT NULL DEFAULT 0 CHECK (redeemed BETWEEN 0 AND most),
  expires_at          timestamptz,             -- of the code
  expires_after_days  integer NOT NULL DEFAULT 0 CHECK (expires_after_days >= 0), -- of the credits; 0: never
  enabled             boolean NOT NULL DEFAULT true,
  created_at          timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX codes_batch ON codes (batch_id, id) WHERE batch_id IS NOT NULL;

-- A customer's claim on a code, once; the ledger gives its credits under the origin "code:<id of the code>".
CREATE TABLE code_redemptions (
  customer_id  uuid NOT NULL,
  code_id      uuid NOT NULL,
  grant_id     uuid NOT NULL,
  amount       bigint NOT NULL CHECK (amount > 0),
  expires_at   timestamptz,                    -- of the credits
  created_at   timestamptz NOT NULL DEFAULT now(),
  tried_at     timestamptz NOT NULL DEFAULT now(),
  posted_at    timestamptz,                    -- null: still to be given
  PRIMARY KEY (customer_id, code_id)
);
CREATE INDEX code_redemptions_code ON code_redemptions (code_id, grant_id);
CREATE INDEX code_redemptions_pending ON code_redemptions (tried_at) WHERE posted_at IS NULL;
