-- name: replay_claim
INSERT INTO idempotency (customer_id, key, fingerprint, object_id) VALUES ($1::uuid, $2::text, $3::bytea, $4::uuid)
ON CONFLICT DO NOTHING

-- name: replay_read
SELECT fingerprint, object_id FROM idempotency WHERE customer_id = $1::uuid AND key = $2::text
