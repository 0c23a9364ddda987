-- name: grant_read
SELECT customer_id, id, source, priority, granted, left_over, consumed, expired, refunded, frozen, reason, expires_at, created_at
FROM grants WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: grant_list
SELECT customer_id, id, source, priority, granted, left_over, consumed, expired, refunded, frozen, reason, expires_at, created_at
FROM grants WHERE customer_id = $1::uuid AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $3::bigint

-- A month ahead, and a week ahead, once each; and what was made with less time than that, at the nearer one only. A grant is changed
-- behind its customer's lock and nowhere else: whose customer is busy comes the next time.
-- name: grant_expiring
WITH near AS (
  SELECT customer_id, id FROM grant_rows
  WHERE open AND expires_at > now() AND expires_at <= now() + interval '30 days'
    AND told < CASE WHEN expires_at <= now() + interval '7 days' THEN 2 ELSE 1 END
  ORDER BY customer_id, id LIMIT 500),
free AS MATERIALIZED (SELECT id, burning, burned FROM customers WHERE id IN (SELECT customer_id FROM near) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
UPDATE grant_rows g SET told = CASE WHEN g.expires_at <= now() + interval '7 days' THEN 2 ELSE 1 END
FROM near JOIN free ON free.id = near.customer_id WHERE g.customer_id = near.customer_id AND g.id = near.id
RETURNING g.customer_id, g.id, g.left_over - CASE WHEN free.burning = g.id THEN free.burned ELSE 0 END, g.expires_at
