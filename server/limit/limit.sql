-- How many buckets the busiest of the keys that a new limit would bind draws from already, and whether its key exists.
-- name: limit_room
SELECT (SELECT count(*) FROM limits WHERE customer_id = $1::uuid AND key_id IS NULL)
       + coalesce((SELECT max(n) FROM (SELECT count(*) AS n FROM limits WHERE customer_id = $1::uuid
                   AND key_id IS NOT NULL AND ($2::uuid IS NULL OR key_id = $2::uuid) GROUP BY key_id) k), 0),
       $2::uuid IS NULL OR EXISTS (SELECT 1 FROM keys WHERE customer_id = $1::uuid AND id = $2::uuid)

-- name: limit_insert
INSERT INTO limits (customer_id, id, key_id, measure, period, amount)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4::smallint, $5::smallint, $6::bigint)

-- name: limit_insert_bucket
INSERT INTO buckets (customer_id, limit_id, window_end)
VALUES ($1::uuid, $2::uuid, CASE WHEN $3::smallint = 4 THEN 9223372036854775807 ELSE 0 END)

-- name: limit_update
UPDATE limits SET amount = $3::bigint WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: limit_delete
DELETE FROM limits WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: limit_delete_bucket
DELETE FROM buckets WHERE customer_id = $1::uuid AND limit_id = $2::uuid

-- name: limit_list
SELECT l.customer_id, l.id, l.key_id, l.measure, l.period, l.amount, l.created_at,
  b.level, b.drawn_at, b.window_start, b.window_end, b.used, b.held,
  CASE WHEN l.period IN (1, 4) OR b.window_end > t.us THEN b.window_start
       ELSE (extract(epoch FROM date_trunc(t.unit[l.period], now(), p.time_zone)) * 1000000)::bigint END,
  CASE WHEN l.period IN (1, 4) OR b.window_end > t.us THEN b.window_end
       ELSE (extract(epoch FROM (date_trunc(t.unit[l.period], now() AT TIME ZONE p.time_zone) + t.length[l.period]) AT TIME ZONE p.time_zone) * 1000000)::bigint END,
  t.us
FROM limits l
JOIN buckets b ON b.customer_id = l.customer_id AND b.limit_id = l.id
JOIN customer_profiles p ON p.customer_id = l.customer_id
CROSS JOIN (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS us,
                   ARRAY[NULL, 'day', 'month'] AS unit, ARRAY[NULL, interval '1 day', interval '1 month'] AS length) t
WHERE l.customer_id = $1::uuid AND ($4::uuid IS NULL OR l.id = $4::uuid)
  AND l.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY l.id DESC LIMIT $3::bigint
