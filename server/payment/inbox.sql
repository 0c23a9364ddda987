-- name: inbox_insert
INSERT INTO stripe_events (id, type, object_id, livemode, api_version, created, body, thin, state, reason)
VALUES ($1::text, $2::text, $3::text, $4::boolean, $5::text, $6::bigint, $7::bytea, $8::boolean, $9::smallint, $10::text)
ON CONFLICT DO NOTHING

-- name: inbox_read
SELECT id, type, object_id, api_version, reason, livemode, thin, state, created, attempts, due_at, received_at, done_at,
  substring(sha256(convert_to(id, 'UTF8')) FOR 8)
FROM stripe_events WHERE id = $1::text

-- A place is a time and, among those of one instant, eight bytes of the id's hash.
-- name: inbox_list
SELECT id, type, object_id, api_version, reason, livemode, thin, state, created, attempts, due_at, received_at, done_at,
  substring(sha256(convert_to(id, 'UTF8')) FOR 8)
FROM stripe_events
WHERE ($1::timestamptz IS NULL OR received_at < $1::timestamptz
       OR (received_at = $1::timestamptz AND substring(sha256(convert_to(id, 'UTF8')) FOR 8) < $2::bytea))
  AND ($3::smallint = 0 OR state = $3::smallint) AND ($4::text IS NULL OR type = $4::text)
ORDER BY received_at DESC, substring(sha256(convert_to(id, 'UTF8')) FOR 8) DESC LIMIT $5::bigint

-- name: inbox_retry
UPDATE stripe_events SET state = 1, reason = '', attempts = 0, due_at = now() WHERE id = $1::text AND state = 4
