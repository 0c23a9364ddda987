-- The tables are empty one moment and full the next: plans are made once, over indexes, whatever was counted last.
-- name: webhook_plans
SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('enable_bitmapscan', 'off', true)

-- name: webhook_look
SELECT version, anything, EXISTS (SELECT 1 FROM outbox) FROM outbox_wanted

-- name: webhook_age
SELECT greatest(0, coalesce((extract(epoch FROM now() - least(
  (SELECT min(q.due_at) FROM webhook_endpoints w
   CROSS JOIN LATERAL (SELECT due_at FROM webhook_queue WHERE endpoint_id = w.id ORDER BY due_at LIMIT 1) q WHERE w.enabled),
  (SELECT created_at FROM outbox ORDER BY id LIMIT 1))) * 1000)::bigint, 0))

-- name: webhook_targets
SELECT id, url, scheme = 2, secret, old_secret, old_until, sign_key FROM webhook_endpoints WHERE enabled ORDER BY id LIMIT 256

-- One instance at a time hands events out, so that the numbers of a customer's events follow their order. Locked by a statement of
-- its own: the next one then sees all that was handed out before.
-- name: webhook_turn
SELECT 1 FROM outbox_wanted FOR UPDATE SKIP LOCKED

-- Whoever listens now is whom events are told; what nobody listens to any more just goes. Nothing is joined, for nobody can
-- tell PostgreSQL how many rows there will be.
-- name: webhook_fan_out
WITH taken AS (
  DELETE FROM outbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM outbox ORDER BY id LIMIT $1::bigint)) RETURNING *
), told AS (
  SELECT t.*, t.stripe_event IS NULL AS own, l.listeners
  FROM taken t CROSS JOIN LATERAL (
    SELECT array_agg(w.id) AS listeners FROM webhook_endpoints w
    WHERE w.enabled AND CASE WHEN t.stripe_event IS NULL THEN w.events && ARRAY['*', t.type] ELSE w.forward_stripe END) l
  WHERE l.listeners IS NOT NULL
), counted AS (
  INSERT INTO webhook_sequences AS s (customer_id, last)
  SELECT customer_id, count(*) FROM told WHERE own GROUP BY customer_id ORDER BY customer_id
  ON CONFLICT (customer_id) DO UPDATE SET last = s.last + excluded.last
), kept AS (
  INSERT INTO webhook_events (id, customer_id, sequence, type, data, stripe_event, request_id, idempotency_key, size, created_at)
  SELECT id, customer_id,
         CASE WHEN own THEN coalesce((SELECT last FROM webhook_sequences s WHERE s.customer_id = t.customer_id), 0)
                            + row_number() OVER (PARTITION BY customer_id, own ORDER BY id) END,
         type, data, stripe_event, request_id, idempotency_key,
         CASE WHEN own THEN octet_length(data::text)
              ELSE coalesce((SELECT octet_length(e.body) FROM stripe_events e WHERE e.id = t.stripe_event), 0) END, created_at
  FROM told t
), queued AS (
  INSERT INTO webhook_queue (endpoint_id, event_id) SELECT unnest(listeners), id FROM told
)
SELECT count(*) FROM taken

-- Each endpoint has room for so many, and for so many bytes: the first always, the others while those before it fit.
-- name: webhook_claim
WITH due AS MATERIALIZED (
  SELECT q.place, q.endpoint_id, q.event_id, q.due_at, r.bytes, w.api_version
  FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) AS r(endpoint_id, rows, bytes)
  JOIN webhook_endpoints w ON w.id = r.endpoint_id AND w.enabled
  CROSS JOIN LATERAL (
    SELECT ctid AS place, endpoint_id, event_id, due_at FROM webhook_queue
    WHERE endpoint_id = r.endpoint_id AND due_at <= now() AND leased_until <= now()
    ORDER BY due_at LIMIT r.rows FOR UPDATE SKIP LOCKED) q
), sized AS (
  SELECT d.place, d.bytes, d.api_version, e.*,
         sum(e.size) OVER (PARTITION BY d.endpoint_id ORDER BY d.due_at, d.event_id ROWS UNBOUNDED PRECEDING) - e.size AS before
  FROM due d CROSS JOIN LATERAL (SELECT * FROM webhook_events WHERE id = d.event_id LIMIT 1) e
), claimed AS (
  UPDATE webhook_queue q SET leased_until = now() + $4::bigint * interval '1 millisecond', claim = q.claim + 1
  FROM sized s WHERE s.before < s.bytes AND q.ctid = s.place
  RETURNING q.endpoint_id, q.claim, q.tries, s.api_version, s.id, s.customer_id, s.sequence, s.type, s.data, s.request_id, s.idempotency_key,
            s.stripe_event, s.created_at
)
SELECT c.endpoint_id, c.claim, c.tries, c.api_version, c.id, c.customer_id, c.sequence, c.type, c.data, c.request_id, c.idempotency_key,
       c.stripe_event, (SELECT body FROM stripe_events e WHERE e.id = c.stripe_event), c.created_at
FROM claimed c

-- A success counts whoever has the delivery by now; a failure only of who still has it.
-- name: webhook_end
WITH r AS (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::smallint[], $5::text[]) AS r(endpoint_id, event_id, claim, state, attempt)
), gone AS (
  DELETE FROM webhook_queue q USING r
  WHERE q.endpoint_id = r.endpoint_id AND q.event_id = r.event_id AND (r.state = 2 OR q.claim = r.claim)
  RETURNING q.endpoint_id, q.event_id, r.state,
            CASE WHEN jsonb_array_length(q.attempts) >= $6::integer THEN q.attempts - 0 ELSE q.attempts END || r.attempt::jsonb AS attempts
)
INSERT INTO webhook_deliveries AS d (endpoint_id, event_id, state, attempts) SELECT endpoint_id, event_id, state, attempts FROM gone
ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, ended_at = now()

-- The claim ends with it, so that it counts once where it is written again after a lost commit.
-- name: webhook_retry
UPDATE webhook_queue q SET
  due_at = now() + r.delay * interval '1 millisecond', leased_until = '-infinity', claim = q.claim + 1, tries = q.tries + 1,
  attempts = CASE WHEN jsonb_array_length(q.attempts) >= $6::integer THEN q.attempts - 0 ELSE q.attempts END || r.attempt::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::text[]) AS r(endpoint_id, event_id, claim, delay, attempt)
WHERE q.endpoint_id = r.endpoint_id AND q.event_id = r.event_id AND q.claim = r.claim

-- name: webhook_release
UPDATE webhook_queue q SET leased_until = '-infinity'
FROM unnest($1::uuid[], $2::uuid[], $3::integer[]) AS r(endpoint_id, event_id, claim)
WHERE q.endpoint_id = r.endpoint_id AND q.event_id = r.event_id AND q.claim = r.claim

-- One success among them ends what was failing. Locked in order of endpoints.
-- name: webhook_health
UPDATE webhook_endpoints w SET
  failing_since = CASE WHEN r.well THEN NULL ELSE coalesce(w.failing_since, now()) END,
  failures = CASE WHEN r.well THEN 0 ELSE least(w.failures::bigint + r.failures, 2147483647)::integer END
FROM unnest($1::uuid[], $2::boolean[], $3::integer[]) AS r(id, well, failures)
WHERE w.id = r.id AND w.id IN (
  SELECT id FROM webhook_endpoints WHERE id = ANY ($1::uuid[]) AND (failing_since IS NOT NULL OR id = ANY ($4::uuid[])) ORDER BY id FOR NO KEY UPDATE)

-- name: webhook_disable
UPDATE webhook_endpoints SET enabled = false, disabled_reason = CASE WHEN id = ANY ($1::uuid[]) THEN 2 ELSE 3 END, updated_at = now()
WHERE enabled AND (id = ANY ($1::uuid[]) OR
  (id = ANY ($2::uuid[]) AND failures >= 10 AND failing_since <= now() - $3::bigint * interval '1 hour'))
RETURNING id, url, description, disabled_reason, failing_since, failures

-- name: webhook_forget_orphans
DELETE FROM webhook_queue WHERE ctid = ANY (ARRAY(
  SELECT q.ctid FROM webhook_queue q WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoints w WHERE w.id = q.endpoint_id) LIMIT 5000))

-- name: webhook_forget_waiting
DELETE FROM webhook_queue WHERE ctid = ANY (ARRAY(SELECT ctid FROM webhook_queue WHERE event_id < $1::uuid LIMIT 5000))

-- Where a day's partition could not be made in time.
-- name: webhook_forget_deliveries
DELETE FROM webhook_deliveries_default WHERE ctid = ANY (ARRAY(SELECT ctid FROM webhook_deliveries_default WHERE event_id < $1::uuid LIMIT 5000))

-- name: webhook_forget_events
DELETE FROM webhook_events_default WHERE ctid = ANY (ARRAY(SELECT ctid FROM webhook_events_default WHERE id < $1::uuid LIMIT 5000))

-- name: webhook_partition_days
SELECT to_char(d, 'YYYYMMDD'), (extract(epoch FROM d AT TIME ZONE 'UTC') * 1000000)::bigint,
       (extract(epoch FROM (d + interval '1 day') AT TIME ZONE 'UTC') * 1000000)::bigint,
       to_regclass('webhook_events_' || to_char(d, 'YYYYMMDD')) IS NOT NULL AND to_regclass('webhook_deliveries_' || to_char(d, 'YYYYMMDD')) IS NOT NULL
FROM generate_series(date_trunc('day', now() AT TIME ZONE 'UTC'), date_trunc('day', now() AT TIME ZONE 'UTC') + interval '3 days', interval '1 day') AS d

-- name: webhook_partitions_old
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('webhook_events'::regclass, 'webhook_deliveries'::regclass) AND c.relname ~ '_[0-9]{8}$'
  AND right(c.relname, 8) < to_char(now() AT TIME ZONE 'UTC' - $1::integer * interval '1 day', 'YYYYMMDD')
ORDER BY c.relname LIMIT 20
