-- Housekeeping: finds work, which then goes through the writer like everything else.

-- Nobody could renew a lease while the database was away: after its start each writer has a whole lease to come back.
-- name: ledger_fence_dead
UPDATE writers SET epoch = epoch + 1
WHERE id IN (SELECT w.id FROM writers w WHERE w.lease_until < clock_timestamp()
             AND pg_postmaster_start_time() + $1::bigint * interval '1 microsecond' < clock_timestamp()
             AND EXISTS (SELECT 1 FROM holds h WHERE h.writer_id = w.id AND h.writer_epoch = w.epoch)
             ORDER BY w.id FOR NO KEY UPDATE)
  AND lease_until < clock_timestamp()
RETURNING id

-- What is looked for is little, in tables that may have grown since they were planned for.
-- name: ledger_by_index
SELECT set_config('enable_seqscan', 'off', true)

-- Of writers that are dead; and explicit holds whose time is over, which have no writer.
-- name: ledger_orphans
SELECT o.customer_id, o.call_id, o.writer_id
FROM (SELECT h.customer_id, h.call_id, w.id AS writer_id FROM writers w
      CROSS JOIN LATERAL (SELECT customer_id, call_id FROM holds h WHERE h.writer_id = w.id AND h.writer_epoch < w.epoch OFFSET 0) h
      UNION ALL SELECT h.customer_id, h.call_id, 0 FROM holds h WHERE h.expires_at <= (SELECT clock_timestamp())) o
ORDER BY o.customer_id, o.call_id LIMIT 500

-- name: ledger_expired_grants
SELECT g.customer_id, g.id FROM grant_rows g
CROSS JOIN LATERAL (SELECT FROM customers c WHERE c.id = g.customer_id AND c.balance > c.held OFFSET 0) c
WHERE g.open AND g.expires_at <= (SELECT clock_timestamp())
ORDER BY g.expires_at, g.id LIMIT 500

-- name: ledger_forget
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency WHERE created_at < now() - interval '7 days' LIMIT 5000))
