-- name: provider_insert
INSERT INTO providers (id, name, plugin, base_url, secret, settings, models, priority, enabled)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::bytea, $6::jsonb, $7::jsonb, $8::integer, $9::boolean)
ON CONFLICT DO NOTHING

-- Behind the lock on the catalogue: a name that is free stays so.
-- name: provider_update
UPDATE providers SET
  name = CASE WHEN $1::integer & 1 <> 0 THEN $3::text ELSE name END,
  base_url = CASE WHEN $1::integer & 2 <> 0 THEN $4::text ELSE base_url END,
  secret = CASE WHEN $1::integer & 4 <> 0 THEN $5::bytea ELSE secret END,
  settings = CASE WHEN $1::integer & 8 <> 0 THEN $6::jsonb ELSE settings END,
  models = CASE WHEN $1::integer & 16 <> 0 THEN $7::jsonb ELSE models END,
  priority = CASE WHEN $1::integer & 32 <> 0 THEN $8::integer ELSE priority END,
  enabled = CASE WHEN $1::integer & 64 <> 0 THEN $9::boolean ELSE enabled END,
  updated_at = now()
WHERE id = $2::uuid AND NOT ($1::integer & 1 <> 0 AND EXISTS (SELECT 1 FROM providers WHERE name = $3::text AND id <> $2::uuid))

-- name: catalogue_bump
UPDATE catalogue SET version = version + 1

-- name: provider_read
SELECT id, name, plugin, base_url, settings, models, secret IS NOT NULL, enabled, priority, created_at, updated_at
FROM providers WHERE id = $1::uuid

-- name: provider_list
SELECT id, name, plugin, base_url, settings, models, secret IS NOT NULL, enabled, priority, created_at, updated_at
FROM providers WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint

-- name: provider_resolve
SELECT id FROM providers WHERE name = $1::text OR id = $2::uuid ORDER BY id = $2::uuid DESC LIMIT 1
