-- name: receipt_keys
SELECT version, kid, public_key, signs_from <= now() FROM receipt_keys ORDER BY version LIMIT $1::bigint

-- name: receipt_key_add
INSERT INTO receipt_keys (version, kid, public_key, signs_from)
VALUES ($1::integer, $2::text, $3::bytea, now() + $4::integer * interval '1 second') ON CONFLICT DO NOTHING

-- What the commits of a call's rows left: one row each, in their order. A commit in which no credits moved kept nothing.
-- name: receipt_commits
SELECT t.at, t.balance
FROM calls c
LEFT JOIN LATERAL (SELECT at, balance FROM transfers
                   WHERE customer_id = c.customer_id AND writer_id = c.writer_id AND seq = c.seq ORDER BY ordinal LIMIT 1) t ON true
WHERE c.customer_id = $1::uuid AND c.id = $2::uuid
ORDER BY c.revision
