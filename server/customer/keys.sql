-- name: key_insert
INSERT INTO keys (customer_id, id, public_id, tag, kind, last4, name, expires_at)
VALUES ($1::uuid, $2::uuid, $3::text, $4::bytea, $5::text, $6::text, $7::text, $8::timestamptz)

-- name: key_insert_directory
INSERT INTO key_directory (public_id, customer_id, key_id) VALUES ($1::text, $2::uuid, $3::uuid)

-- name: key_read
SELECT k.customer_id, k.id, k.kind = 'ad', k.public_id, k.last4, k.name, k.created_at, k.expires_at, k.revoked_at
FROM (SELECT id FROM customers WHERE substring(uuid_send(id) FROM 13 FOR 4) = substring(uuid_send($1::uuid) FROM 13 FOR 4)
      UNION ALL SELECT '00000000-0000-0000-0000-000000000000'::uuid) c
JOIN keys k ON k.customer_id = c.id AND k.id = $1::uuid

-- name: key_list
SELECT customer_id, id, kind = 'ad', public_id, last4, name, created_at, expires_at, revoked_at
FROM keys WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint

-- name: key_list_customer
SELECT customer_id, id, kind = 'ad', public_id, last4, name, created_at, expires_at, revoked_at
FROM keys WHERE customer_id = $3::uuid AND id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $2::bigint

-- name: key_lock
SELECT revoked_at IS NULL FROM keys WHERE customer_id = $1::uuid AND id = $2::uuid FOR NO KEY UPDATE

-- name: key_revoke
UPDATE keys SET revoked_at = coalesce(revoked_at, clock_timestamp()) WHERE customer_id = $1::uuid AND id = $2::uuid
