-- A price that another product mirrors is found by no row being written, not by an error.
-- name: product_insert
INSERT INTO products (id, kind, name, description, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days,
  period, rollover, trial_credits, stripe_price, tax_code, enabled)
VALUES ($1::uuid, $2::smallint, $3::text, $4::text, $5::text, $6::bigint, $7::bigint, $8::bigint, nullif($9::integer, 0),
  nullif($10::integer, 0), nullif($11::smallint, 0), $12::smallint, $13::boolean, $14::text, $15::text, $16::boolean)
ON CONFLICT DO NOTHING

-- The first parameter names the members to change, as product.h numbers them.
-- name: product_update
UPDATE products SET
  name = CASE WHEN $1::integer & 1 <> 0 THEN $3::text ELSE name END,
  description = CASE WHEN $1::integer & 2 <> 0 THEN $4::text ELSE description END,
  price = CASE WHEN $1::integer & 4 <> 0 THEN $5::bigint ELSE price END,
  credits = CASE WHEN $1::integer & 8 <> 0 THEN $6::bigint ELSE credits END,
  bonus = CASE WHEN $1::integer & 16 <> 0 THEN $7::bigint ELSE bonus END,
  expires_after_days = CASE WHEN $1::integer & 32 <> 0 THEN nullif($8::integer, 0) ELSE expires_after_days END,
  bonus_expires_after_days = CASE WHEN $1::integer & 64 <> 0 THEN nullif($9::integer, 0) ELSE bonus_expires_after_days END,
  rollover = CASE WHEN $1::integer & 128 <> 0 THEN $10::smallint ELSE rollover END,
  trial_credits = CASE WHEN $1::integer & 256 <> 0 THEN $11::boolean ELSE trial_credits END,
  stripe_price = CASE WHEN $1::integer & 512 <> 0 THEN $12::text ELSE stripe_price END,
  tax_code = CASE WHEN $1::integer & 1024 <> 0 THEN $13::text ELSE tax_code END,
  enabled = CASE WHEN $1::integer & 2048 <> 0 THEN $14::boolean ELSE enabled END,
  updated_at = now()
WHERE id = $2::uuid

-- Whoever changes the prices that are mirrored waits for whoever did: then what is free stays so.
-- name: product_lock_prices
LOCK TABLE products IN SHARE ROW EXCLUSIVE MODE

-- name: product_price_taken
SELECT 1 FROM products WHERE stripe_price = $1::text AND id <> $2::uuid

-- name: product_read
SELECT id, kind, name, description, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, period, rollover,
  trial_credits, stripe_price, tax_code, enabled, created_at, updated_at
FROM products WHERE id = $1::uuid

-- name: product_by_price
SELECT id, kind, name, description, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, period, rollover,
  trial_credits, stripe_price, tax_code, enabled, created_at, updated_at
FROM products WHERE stripe_price = $1::text

-- name: product_list
SELECT id, kind, name, description, currency, price, credits, bonus, expires_after_days, bonus_expires_after_days, period, rollover,
  trial_credits, stripe_price, tax_code, enabled, created_at, updated_at
FROM products WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND (enabled OR NOT $3::boolean)
ORDER BY id DESC LIMIT $2::bigint
