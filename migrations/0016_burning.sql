-- Which grant pays now stands in the customer's row, with what it has left: a charge that it covers writes one row, not two.

ALTER TABLE customers
  ADD COLUMN burning      uuid,                         -- the first in burn order; nil: none is open, so debt; null: not known, they are read
  ADD COLUMN burning_left bigint NOT NULL DEFAULT 0,    -- what it has left
  ADD COLUMN burned       bigint NOT NULL DEFAULT 0,    -- of that, what it has paid since its own row was written
  ADD CHECK (burning_left >= 0 AND burned >= 0 AND (burned = 0 OR burning_left > 0));

-- Read as they are now, by everybody; written by the ledger alone. An instance of a build before this one finds no row that it could
-- write: what it would write is not what a grant has left.
ALTER TABLE grants RENAME TO grant_rows;
CREATE VIEW grants AS
SELECT g.customer_id, g.id, g.source, g.priority, g.expires_at, g.open, g.granted, g.left_over - b.burned AS left_over, g.consumed + b.burned AS consumed,
       g.expired, g.refunded, g.frozen, g.reason, g.created_at, g.told, g.origin, g.paid, g.currency
FROM grant_rows g LEFT JOIN customers c ON c.id = g.customer_id
CROSS JOIN LATERAL (SELECT CASE WHEN c.burning = g.id THEN c.burned ELSE 0 END AS burned) b;
