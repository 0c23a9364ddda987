-- An older instance could not charge any more, and would take that for final: there must be none. A killed one counts for as long as its lease.
LOCK TABLE customers IN ACCESS EXCLUSIVE MODE;
DO $$ BEGIN
  IF EXISTS (SELECT FROM writers WHERE lease_until > clock_timestamp()) THEN
    RAISE EXCEPTION 'instances are still at work, or have been a moment ago: stop all of them before this migration, and try again';
  END IF;
END $$;

-- Which grant pays now stands in the customer's row, with what it has left: a charge that it covers writes one row, not two.

ALTER TABLE customers
  ADD COLUMN burning      uuid,                         -- the first in burn order; nil: none is open, so debt; null: not known, they are read
  ADD COLUMN burning_left bigint NOT NULL DEFAULT 0,    -- what it has left
  ADD COLUMN burned       bigint NOT NULL DEFAULT 0,    -- of that, what it has paid since its own row was written
  ADD CHECK (burning_left >= 0 AND burned >= 0 AND (burned = 0 OR (burning IS NOT NULL AND burning_left > 0)));

-- Read as they are now, by everybody; written by the ledger alone.
ALTER TABLE grants RENAME TO grant_rows;
CREATE VIEW grants AS
SELECT g.customer_id, g.id, g.source, g.priority, g.expires_at, g.open, g.granted, g.left_over - b.burned AS left_over, g.consumed + b.burned AS consumed,
       g.expired, g.refunded, g.frozen, g.reason, g.created_at, g.told, g.origin, g.paid, g.currency
FROM grant_rows g LEFT JOIN customers c ON c.id = g.customer_id
CROSS JOIN LATERAL (SELECT CASE WHEN c.burning = g.id THEN c.burned ELSE 0 END AS burned) b;
