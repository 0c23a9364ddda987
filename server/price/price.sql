-- The neighbours in time of a version that would begin at $3 (null: as early as may be): when it begins, whether that is far
-- enough ahead, when it would end, and whether its instant is taken. Asked behind the lock on the catalogue. A model's first
-- price holds from a second ago: then it holds at once by every instance's clock.
-- name: price_place
WITH at AS (
  SELECT e.versions, coalesce($3::timestamptz, CASE WHEN e.versions = 0 THEN clock_timestamp() - interval '1 second' ELSE clock_timestamp() + $4::bigint * interval '1 millisecond' END) AS begins
  FROM (SELECT count(*) AS versions FROM prices WHERE provider_id = $1::uuid AND model = $2::text) e
)
SELECT a.begins, a.versions = 0 OR a.begins >= clock_timestamp() + ($4::bigint - 1) * interval '1 millisecond',
       (SELECT min(valid_from) FROM prices WHERE provider_id = $1::uuid AND model = $2::text AND valid_from > a.begins),
       EXISTS (SELECT 1 FROM prices WHERE provider_id = $1::uuid AND model = $2::text AND valid_from = a.begins)
FROM at a

-- name: price_end
UPDATE prices SET valid_until = $3::timestamptz
WHERE provider_id = $1::uuid AND model = $2::text AND valid_from < $3::timestamptz
  AND (valid_until IS NULL OR valid_until > $3::timestamptz)

-- name: price_insert
INSERT INTO prices (id, provider_id, model, valid_from, valid_until, max_input, max_output)
VALUES ($1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::timestamptz, $6::bigint, $7::bigint)

-- name: price_insert_rates
INSERT INTO price_rates (price_id, meter, per, charge, cost)
SELECT $1::uuid, meter, per, charge, cost
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[]) AS r (meter, per, charge, cost)

-- name: price_read
SELECT r.id, r.provider_id, p.name, r.model, r.valid_from, r.valid_until, r.created_at, r.max_input, r.max_output, t.meters, t.pers, t.charges, t.costs
FROM prices r JOIN providers p ON p.id = r.provider_id
CROSS JOIN LATERAL (SELECT array_agg(meter ORDER BY meter) AS meters, array_agg(per ORDER BY meter) AS pers, array_agg(charge ORDER BY meter) AS charges,
                           array_agg(cost ORDER BY meter) AS costs FROM price_rates WHERE price_id = r.id) t
WHERE r.id = $1::uuid

-- name: price_list
SELECT r.id, r.provider_id, p.name, r.model, r.valid_from, r.valid_until, r.created_at, r.max_input, r.max_output, t.meters, t.pers, t.charges, t.costs
FROM prices r JOIN providers p ON p.id = r.provider_id
CROSS JOIN LATERAL (SELECT array_agg(meter ORDER BY meter) AS meters, array_agg(per ORDER BY meter) AS pers, array_agg(charge ORDER BY meter) AS charges,
                           array_agg(cost ORDER BY meter) AS costs FROM price_rates WHERE price_id = r.id) t
WHERE r.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  AND ($3::uuid IS NULL OR r.provider_id = $3::uuid) AND ($4::text IS NULL OR r.model = $4::text)
  AND (NOT $5::boolean OR (r.valid_from <= now() AND (r.valid_until IS NULL OR r.valid_until > now())))
ORDER BY r.id DESC LIMIT $2::bigint
