-- name: grant_read
SELECT customer_id, id, source, priority, granted, left_over, consumed, expired, refunded, frozen, reason, expires_at, created_at
FROM grants WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: grant_list
SELECT customer_id, id, source, priority, granted, left_over, consumed, expired, refunded, frozen, reason, expires_at, created_at
FROM grants WHERE customer_id = $1::uuid AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $3::bigint
