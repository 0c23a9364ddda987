-- name: webhook_delivery_list
SELECT l.event_id, e.customer_id, e.type, l.attempts, e.stripe_event, l.state, l.due_at, l.ended_at, e.created_at
FROM ((SELECT event_id, attempts, 1::smallint AS state, due_at, NULL::timestamptz AS ended_at FROM webhook_queue
       WHERE endpoint_id = $1::uuid AND event_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY event_id DESC LIMIT $3::bigint)
      UNION ALL
      (SELECT event_id, attempts, state, NULL, ended_at FROM webhook_deliveries
       WHERE endpoint_id = $1::uuid AND event_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY event_id DESC LIMIT $3::bigint)
      ORDER BY event_id DESC LIMIT $3::bigint) l
JOIN webhook_events e ON e.id = l.event_id ORDER BY l.event_id DESC

-- name: webhook_delivery_list_waiting
SELECT q.event_id, e.customer_id, e.type, q.attempts, e.stripe_event, 1::smallint, q.due_at, NULL::timestamptz, e.created_at
FROM webhook_queue q JOIN webhook_events e ON e.id = q.event_id
WHERE q.endpoint_id = $1::uuid AND q.event_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY q.event_id DESC LIMIT $3::bigint

-- name: webhook_delivery_list_delivered
SELECT d.event_id, e.customer_id, e.type, d.attempts, e.stripe_event, d.state, NULL::timestamptz, d.ended_at, e.created_at
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
WHERE d.endpoint_id = $1::uuid AND d.event_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND d.state = 2
ORDER BY d.event_id DESC LIMIT $3::bigint

-- name: webhook_delivery_list_failed
SELECT d.event_id, e.customer_id, e.type, d.attempts, e.stripe_event, d.state, NULL::timestamptz, d.ended_at, e.created_at
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
WHERE d.endpoint_id = $1::uuid AND d.event_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND d.state = 3
ORDER BY d.event_id DESC LIMIT $3::bigint

-- name: webhook_delivery_read
SELECT l.event_id, e.customer_id, e.type, l.attempts, e.stripe_event, l.state, l.due_at, l.ended_at, e.created_at
FROM (SELECT event_id, attempts, 1::smallint AS state, due_at, NULL::timestamptz AS ended_at FROM webhook_queue
      WHERE endpoint_id = $1::uuid AND event_id = $2::uuid
      UNION ALL
      SELECT event_id, attempts, state, NULL, ended_at FROM webhook_deliveries WHERE endpoint_id = $1::uuid AND event_id = $2::uuid) l
JOIN webhook_events e ON e.id = l.event_id

-- name: webhook_event_read
SELECT e.id, e.customer_id, e.sequence, e.type, e.data, e.request_id, e.idempotency_key, e.stripe_event, s.body, e.created_at
FROM webhook_events e LEFT JOIN stripe_events s ON s.id = e.stripe_event WHERE e.id = $1::uuid

-- What a sender has in hand stays there: its attempt is under way.
-- name: webhook_hasten
UPDATE webhook_queue SET due_at = now(), tries = 0 WHERE endpoint_id = $1::uuid AND event_id = $2::uuid AND leased_until <= now()

-- name: webhook_resend
WITH back AS (
  DELETE FROM webhook_deliveries WHERE endpoint_id = $1::uuid AND event_id = $2::uuid RETURNING endpoint_id, event_id, attempts
)
INSERT INTO webhook_queue (endpoint_id, event_id, attempts) SELECT endpoint_id, event_id, attempts FROM back ON CONFLICT DO NOTHING

-- name: webhook_replay_all
WITH again AS (
  SELECT endpoint_id, event_id FROM webhook_deliveries
  WHERE endpoint_id = $1::uuid AND event_id >= $2::uuid AND event_id < $3::uuid ORDER BY event_id LIMIT $4::bigint
), back AS (
  DELETE FROM webhook_deliveries d USING again a WHERE d.endpoint_id = a.endpoint_id AND d.event_id = a.event_id
  RETURNING d.endpoint_id, d.event_id, d.attempts
), queued AS (
  INSERT INTO webhook_queue (endpoint_id, event_id, attempts) SELECT endpoint_id, event_id, attempts FROM back
  ON CONFLICT DO NOTHING RETURNING event_id
)
SELECT (SELECT count(*) FROM queued), (SELECT event_id FROM again ORDER BY event_id DESC LIMIT 1)

-- name: webhook_replay_failed
WITH again AS (
  SELECT endpoint_id, event_id FROM webhook_deliveries
  WHERE endpoint_id = $1::uuid AND event_id >= $2::uuid AND event_id < $3::uuid AND state = 3 ORDER BY event_id LIMIT $4::bigint
), back AS (
  DELETE FROM webhook_deliveries d USING again a WHERE d.endpoint_id = a.endpoint_id AND d.event_id = a.event_id
  RETURNING d.endpoint_id, d.event_id, d.attempts
), queued AS (
  INSERT INTO webhook_queue (endpoint_id, event_id, attempts) SELECT endpoint_id, event_id, attempts FROM back
  ON CONFLICT DO NOTHING RETURNING event_id
)
SELECT (SELECT count(*) FROM queued), (SELECT event_id FROM again ORDER BY event_id DESC LIMIT 1)

-- name: webhook_test
WITH told AS (
  INSERT INTO webhook_events (id, customer_id, type, data, size, created_at)
  VALUES ($2::uuid, '00000000-0000-0000-0000-000000000000', $3::text, $4::text::json, octet_length($4::text), now()) RETURNING id
)
INSERT INTO webhook_queue (endpoint_id, event_id) SELECT $1::uuid, id FROM told
