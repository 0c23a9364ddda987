-- name: meter_insert
INSERT INTO meters (name, unit, aggregation, description)
SELECT $1::text, $2::text, $3::smallint, $4::text WHERE (SELECT count(*) FROM meters) < $5::bigint
ON CONFLICT DO NOTHING

-- name: meter_update
UPDATE meters SET unit = CASE WHEN $2::boolean THEN $3::text ELSE unit END,
  description = CASE WHEN $4::boolean THEN $5::text ELSE description END
WHERE name = $1::text

-- name: meter_delete
DELETE FROM meters WHERE name = $1::text

-- name: meter_priced
SELECT 1 FROM price_rates WHERE meter = $1::text LIMIT 1

-- name: meter_read
SELECT name, unit, aggregation, description, created_at FROM meters WHERE name = $1::text

-- name: meter_list
SELECT name, unit, aggregation, description, created_at FROM meters ORDER BY name COLLATE "C"
