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
