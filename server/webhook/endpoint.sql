-- name: webhook_endpoint_insert
INSERT INTO webhook_endpoints (id, url, description, events, scheme, forward_stripe, api_version, enabled, disabled_reason, secret, sign_key, public_key)
VALUES ($1::uuid, $2::text, $3::text, $4::text[], $5::smallint, $6::boolean, $7::text, $8::smallint = 0, $8::smallint, $9::bytea, $10::bytea, $11::bytea)

-- The first parameter names the members to change, as endpoint.h numbers them. Who enables it forgets that it failed.
-- name: webhook_endpoint_update
UPDATE webhook_endpoints SET
  url = CASE WHEN $1::integer & 1 <> 0 THEN $3::text ELSE url END,
  description = CASE WHEN $1::integer & 2 <> 0 THEN $4::text ELSE description END,
  events = CASE WHEN $1::integer & 4 <> 0 THEN $5::text[] ELSE events END,
  scheme = CASE WHEN $1::integer & 8 <> 0 THEN $6::smallint ELSE scheme END,
  forward_stripe = CASE WHEN $1::integer & 16 <> 0 THEN $7::boolean ELSE forward_stripe END,
  api_version = CASE WHEN $1::integer & 32 <> 0 THEN $8::text ELSE api_version END,
  enabled = CASE WHEN $1::integer & 64 <> 0 THEN $9::smallint = 0 ELSE enabled END,
  disabled_reason = CASE WHEN $1::integer & 64 <> 0 THEN $9::smallint ELSE disabled_reason END,
  failing_since = CASE WHEN $1::integer & 64 <> 0 AND $9::smallint = 0 THEN NULL ELSE failing_since END,
  failures = CASE WHEN $1::integer & 64 <> 0 AND $9::smallint = 0 THEN 0 ELSE failures END,
  updated_at = now()
WHERE id = $2::uuid

-- name: webhook_endpoint_rotate
UPDATE webhook_endpoints SET
  old_secret = CASE WHEN $3::bigint > 0 THEN secret END,
  old_until = CASE WHEN $3::bigint > 0 THEN now() + $3::bigint * interval '1 second' END,
  secret = $2::bytea, updated_at = now()
WHERE id = $1::uuid

-- name: webhook_endpoint_delete
DELETE FROM webhook_endpoints WHERE id = $1::uuid

-- Locked by a statement of its own: the next one then sees all that was committed before.
-- name: webhook_wanted_lock
SELECT 1 FROM outbox_wanted FOR UPDATE

-- name: webhook_wanted_set
UPDATE outbox_wanted SET version = version + 1,
  usage = EXISTS (SELECT 1 FROM webhook_endpoints WHERE enabled AND events && ARRAY['*', 'usage.settled']),
  anything = EXISTS (SELECT 1 FROM webhook_endpoints WHERE enabled),
  forwards = EXISTS (SELECT 1 FROM webhook_endpoints WHERE enabled AND forward_stripe)

-- name: webhook_endpoint_count
SELECT count(*) FROM webhook_endpoints

-- name: webhook_endpoint_read
SELECT id, url, description, api_version, events, scheme, forward_stripe, disabled_reason, failures, public_key,
       failing_since, CASE WHEN old_until > now() THEN old_until END, created_at, updated_at
FROM webhook_endpoints WHERE id = $1::uuid

-- name: webhook_endpoint_list
SELECT id, url, description, api_version, events, scheme, forward_stripe, disabled_reason, failures, public_key,
       failing_since, CASE WHEN old_until > now() THEN old_until END, created_at, updated_at
FROM webhook_endpoints WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint
