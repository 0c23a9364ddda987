-- An older event says nothing of what a newer one has said.
-- name: subscription_put
INSERT INTO subscriptions AS s (customer_id, id, product_id, status, quantity, cancel_at, current_period_end, stripe_created)
VALUES ($1::uuid, $2::text, $3::uuid, $4::text, $5::bigint, $6::timestamptz, $7::timestamptz, $8::bigint)
ON CONFLICT (customer_id, id) DO UPDATE SET product_id = coalesce(excluded.product_id, s.product_id), status = excluded.status,
  quantity = excluded.quantity, cancel_at = excluded.cancel_at, current_period_end = excluded.current_period_end,
  stripe_created = excluded.stripe_created, updated_at = now()
WHERE s.stripe_created <= excluded.stripe_created AND s.status <> 'canceled'

-- name: subscription_seen
SELECT stripe_created, status FROM subscriptions WHERE customer_id = $1::uuid AND id = $2::text FOR UPDATE

-- name: subscription_list
SELECT id, product_id, status, quantity, cancel_at, current_period_end, created_at, updated_at FROM subscriptions WHERE customer_id = $1::uuid
ORDER BY created_at DESC LIMIT 100
