-- name: reconcile_from
SELECT read_to FROM stripe_reading

-- name: reconcile_to
INSERT INTO stripe_reading AS r (read_to) VALUES ($1::bigint)
ON CONFLICT (one) DO UPDATE SET read_to = greatest(r.read_to, excluded.read_to)

-- What should have been decided by now.
-- name: reconcile_orders
SELECT stripe_id FROM orders WHERE state IN (1, 2) AND kind <> 2 AND stripe_id IS NOT NULL AND created_at < now() - interval '10 minutes'
  AND updated_at < now() - interval '10 minutes' ORDER BY updated_at LIMIT 50

-- name: reconcile_order_asked
UPDATE orders SET updated_at = now() WHERE stripe_id = $1::text AND state IN (1, 2)
