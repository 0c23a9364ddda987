-- name: reconcile_from
SELECT read_to FROM stripe_reading

-- Which database this is: another where its server was started again, or its tables were made or filled anew, as whoever
-- restores one does.
-- name: reconcile_where
SELECT hashtextextended(concat(extract(epoch FROM pg_postmaster_start_time()), ' ', pg_relation_filenode('stripe_reading')), 0)

-- name: reconcile_to
INSERT INTO stripe_reading AS r (read_to) VALUES ($1::bigint)
ON CONFLICT (one) DO UPDATE SET read_to = greatest(r.read_to, excluded.read_to) RETURNING now()

-- What had come when the list was read, and what has waited for a while since; one that cannot be worked off for minutes
-- holds up nothing any more.
-- name: reconcile_caught_up
SELECT NOT EXISTS (SELECT FROM stripe_events WHERE state = 1 AND attempts < 8 AND (received_at <= $1::timestamptz OR received_at < now() - interval '1 second'))

-- What should have been decided by now.
-- name: reconcile_orders
SELECT stripe_id FROM orders WHERE state IN (1, 2) AND kind <> 2 AND stripe_id IS NOT NULL AND created_at < now() - interval '10 minutes'
  AND updated_at < now() - interval '10 minutes' ORDER BY updated_at LIMIT 50

-- name: reconcile_order_asked
UPDATE orders SET updated_at = now() WHERE stripe_id = $1::text AND state IN (1, 2)
