-- name: order_insert
INSERT INTO orders (customer_id, id, kind, product_id, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, livemode)
VALUES ($1::uuid, $2::uuid, $3::smallint, $4::uuid, $5::text, $6::bigint, $7::bigint, $8::bigint, nullif($9::integer, 0),
  nullif($10::integer, 0), $11::boolean)

-- name: order_read
SELECT customer_id, id, kind, state, product_id, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, livemode,
  attempt, request, stripe_id, url, problem, url_expires_at, created_at, updated_at, paid_at
FROM orders WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: order_list
SELECT customer_id, id, kind, state, product_id, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, livemode,
  attempt, request, stripe_id, url, problem, url_expires_at, created_at, updated_at, paid_at
FROM orders WHERE customer_id = $1::uuid AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $3::bigint

-- Ids begin with their time.
-- name: order_open_count
SELECT count(*) FROM (
  SELECT 1 FROM orders WHERE customer_id = $1::uuid AND id >= $2::uuid AND state = 1 LIMIT $3::bigint) open_orders

-- Rank: open, awaiting_payment, then what ended without payment, then paid.
-- name: order_raise
UPDATE orders SET state = $3::smallint, problem = $4::text, updated_at = now(),
  paid_at = CASE WHEN $3::smallint = 6 THEN now() ELSE paid_at END
WHERE customer_id = $1::uuid AND id = $2::uuid
  AND CASE WHEN state = 6 THEN 4 WHEN state >= 3 THEN 3 ELSE state END
    < CASE WHEN $3::smallint = 6 THEN 4 WHEN $3::smallint >= 3 THEN 3 ELSE $3::smallint END

-- name: order_freeze
UPDATE orders SET request = CASE WHEN request = '' THEN $3::text ELSE request END, updated_at = now()
WHERE customer_id = $1::uuid AND id = $2::uuid RETURNING request

-- name: order_link
UPDATE orders SET stripe_id = $3::text, url = $4::text, url_expires_at = $5::timestamptz, updated_at = now()
WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: object_insert
INSERT INTO stripe_objects (id, customer_id, order_id) VALUES ($1::text, $2::uuid, $3::uuid) ON CONFLICT DO NOTHING

-- name: object_find
SELECT customer_id, order_id FROM stripe_objects WHERE id = $1::text
