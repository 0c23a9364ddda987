-- name: code_insert
INSERT INTO codes (id, tag, last4, batch_id, prefix, name, amount, most, expires_after_days, expires_at)
SELECT k.id, k.tag, k.last4, $4::uuid, $5::text, $6::text, $7::bigint, $8::integer, $9::integer, $10::timestamptz
FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS k (id, tag, last4)

-- name: code_read
SELECT id, batch_id, prefix, last4, name, amount, most, redeemed, expires_after_days, enabled, expires_at, created_at
FROM codes WHERE id = $1::uuid

-- name: code_list
SELECT id, batch_id, prefix, last4, name, amount, most, redeemed, expires_after_days, enabled, expires_at, created_at
FROM codes WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint

-- name: code_list_batch
SELECT id, batch_id, prefix, last4, name, amount, most, redeemed, expires_after_days, enabled, expires_at, created_at
FROM codes WHERE batch_id = $3::uuid AND id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint

-- The first parameter names the members to change, as code.h numbers them.
-- name: code_update
UPDATE codes SET name = CASE WHEN $1::integer & 1 <> 0 THEN $3::text ELSE name END,
  enabled = CASE WHEN $1::integer & 2 <> 0 THEN $4::boolean ELSE enabled END
WHERE id = $2::uuid
