-- Looked up rather than tried: a name that is none would go to PostgreSQL's log.
-- name: customer_zone
SELECT 1 FROM pg_timezone_names WHERE name = $1::text

-- name: customer_insert
INSERT INTO customers (id, credit_limit, low_balance, event_policy) VALUES ($1::uuid, $2::bigint, nullif($3::bigint, 0), coalesce(nullif($4::smallint, 0::smallint), 1::smallint))

-- name: customer_insert_profile
INSERT INTO customer_profiles (customer_id, external_id, name, time_zone, short_policy, short_debt, metadata, abort_charge, abort_upstream)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::smallint, $6::bigint, $7::jsonb, $8::smallint, $9::smallint)

-- name: customer_insert_name
INSERT INTO customer_names (external_id, customer_id) VALUES ($1::text, $2::uuid) ON CONFLICT DO NOTHING

-- name: customer_delete_name
DELETE FROM customer_names WHERE customer_id = $1::uuid
  AND external_id = (SELECT external_id FROM customer_profiles WHERE customer_id = $1::uuid)

-- name: customer_lock
SELECT id FROM customers WHERE id = $1::uuid FOR UPDATE

-- name: customer_bump
UPDATE customers SET config_version = config_version + 1 WHERE id = $1::uuid

-- The first parameter names the members to change, as customer.h numbers them.
-- name: customer_update
UPDATE customers SET
  status = CASE WHEN $1::integer & 16 <> 0 THEN $3::smallint ELSE status END,
  credit_limit = CASE WHEN $1::integer & 128 <> 0 THEN $4::bigint ELSE credit_limit END,
  low_balance = CASE WHEN $1::integer & 1024 <> 0 THEN nullif($5::bigint, 0) ELSE low_balance END,
  event_policy = CASE WHEN $1::integer & 2048 <> 0 THEN $6::smallint ELSE event_policy END
WHERE id = $2::uuid

-- name: customer_update_profile
UPDATE customer_profiles SET
  external_id = CASE WHEN $1::integer & 1 <> 0 THEN $3::text ELSE external_id END,
  name = CASE WHEN $1::integer & 2 <> 0 THEN $4::text ELSE name END,
  time_zone = CASE WHEN $1::integer & 4 <> 0 THEN $5::text ELSE time_zone END,
  metadata = CASE WHEN $1::integer & 8 <> 0 THEN jsonb_strip_nulls(metadata || $6::jsonb) ELSE metadata END,
  short_policy = CASE WHEN $1::integer & 32 <> 0 THEN $7::smallint ELSE short_policy END,
  short_debt = CASE WHEN $1::integer & 64 <> 0 THEN $8::bigint ELSE short_debt END,
  abort_charge = CASE WHEN $1::integer & 256 <> 0 THEN $9::smallint ELSE abort_charge END,
  abort_upstream = CASE WHEN $1::integer & 512 <> 0 THEN $10::smallint ELSE abort_upstream END,
  updated_at = now()
WHERE customer_id = $2::uuid

-- name: customer_read
SELECT c.id, p.external_id, p.name, p.time_zone, p.metadata, c.status, p.short_policy, p.short_debt,
       c.balance, c.held, c.debt, c.credit_limit, p.created_at, p.updated_at, p.abort_charge, p.abort_upstream, coalesce(c.low_balance, 0), c.event_policy
FROM customers c JOIN customer_profiles p ON p.customer_id = c.id WHERE c.id = $1::uuid

-- name: customer_list
SELECT c.id, p.external_id, p.name, p.time_zone, p.metadata, c.status, p.short_policy, p.short_debt,
       c.balance, c.held, c.debt, c.credit_limit, p.created_at, p.updated_at, p.abort_charge, p.abort_upstream, coalesce(c.low_balance, 0), c.event_policy
FROM customers c JOIN customer_profiles p ON p.customer_id = c.id
WHERE c.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY c.id DESC LIMIT $2::bigint

-- name: customer_list_named
SELECT c.id, p.external_id, p.name, p.time_zone, p.metadata, c.status, p.short_policy, p.short_debt,
       c.balance, c.held, c.debt, c.credit_limit, p.created_at, p.updated_at, p.abort_charge, p.abort_upstream, coalesce(c.low_balance, 0), c.event_policy
FROM customer_names n JOIN customers c ON c.id = n.customer_id JOIN customer_profiles p ON p.customer_id = c.id
WHERE n.external_id = $3::text AND c.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') LIMIT $2::bigint

-- name: customer_exists
SELECT 1 FROM customers WHERE id = $1::uuid

-- name: customer_resolve
SELECT customer_id FROM customer_names WHERE external_id = $1::text
