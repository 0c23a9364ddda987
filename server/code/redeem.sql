-- name: redemption_code
SELECT id FROM codes WHERE tag = $1::bytea

-- name: redemption_claim
INSERT INTO code_redemptions (customer_id, code_id, grant_id, amount, expires_at)
SELECT $1::uuid, c.id, $3::uuid, c.amount, CASE WHEN c.expires_after_days > 0 THEN now() + c.expires_after_days * interval '1 day' END
FROM codes c WHERE c.id = $2::uuid ON CONFLICT DO NOTHING

-- name: redemption_count
UPDATE codes SET redeemed = redeemed + 1
WHERE id = $1::uuid AND redeemed < most AND enabled AND (expires_at IS NULL OR expires_at > clock_timestamp())

-- name: redemption_refused
SELECT enabled, coalesce(expires_at <= clock_timestamp(), false) FROM codes WHERE id = $1::uuid

-- name: redemption_read
SELECT customer_id, code_id, grant_id, amount, expires_at, posted_at IS NOT NULL, created_at
FROM code_redemptions WHERE customer_id = $1::uuid AND code_id = $2::uuid

-- name: redemption_posted
UPDATE code_redemptions SET posted_at = coalesce(posted_at, clock_timestamp()) WHERE customer_id = $1::uuid AND code_id = $2::uuid

-- name: redemption_tried
UPDATE code_redemptions SET tried_at = clock_timestamp() WHERE customer_id = $1::uuid AND code_id = $2::uuid

-- name: redemption_list
SELECT customer_id, code_id, grant_id, amount, expires_at, posted_at IS NOT NULL, created_at
FROM code_redemptions WHERE code_id = $1::uuid AND grant_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY grant_id DESC LIMIT $3::bigint

-- Not those of this moment: whoever claimed them is giving them.
-- name: redemption_pending
SELECT customer_id, code_id, grant_id, amount, expires_at, posted_at IS NOT NULL, created_at
FROM code_redemptions WHERE posted_at IS NULL AND tried_at < now() - interval '3 seconds'
ORDER BY tried_at LIMIT $1::bigint
