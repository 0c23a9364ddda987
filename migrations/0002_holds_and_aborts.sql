-- What a client that leaves is charged, and how its repeated requests are known.

-- 1 what was generated, 2 what was delivered, 3 the input, 4 nothing before the first token.
ALTER TABLE customer_profiles ADD COLUMN abort_charge smallint NOT NULL DEFAULT 1 CHECK (abort_charge IN (1, 2, 3, 4));
-- 1 cancel upstream, 2 drain it: let it finish and charge by what it says.
ALTER TABLE customer_profiles ADD COLUMN abort_upstream smallint NOT NULL DEFAULT 1 CHECK (abort_upstream IN (1, 2));

-- The caller's own key, or one derived from the request ("~…"); empty: none. It goes with the hold.
ALTER TABLE holds ADD COLUMN idempotency_key text NOT NULL DEFAULT '';
