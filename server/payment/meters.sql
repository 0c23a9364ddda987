-- From a writer's first sight on: what was settled before anybody asked for reports is not reported.
-- name: meters_begin
INSERT INTO stripe_meter_progress (writer_id, seq) SELECT id, CASE WHEN $1::boolean THEN seq ELSE 0 END FROM writers ON CONFLICT DO NOTHING

-- name: meters_begun
SELECT EXISTS (SELECT FROM stripe_meter_progress)

-- At most so many batches at once; the row is the lock.
-- name: meters_stretch
SELECT p.writer_id, p.seq, least(w.seq, p.seq + $1::bigint) FROM stripe_meter_progress p JOIN writers w ON w.id = p.writer_id
WHERE w.seq > p.seq ORDER BY p.writer_id LIMIT 1 FOR UPDATE OF p SKIP LOCKED

-- What would pass 64 bits stays at their end, so that it holds up nothing else.
-- name: meters_sum
WITH rows AS MATERIALIZED (SELECT customer_id, charge, usage FROM calls WHERE writer_id = $1::integer AND seq > $2::bigint AND seq <= $3::bigint AND state IN (2, 6)),
sums AS (
  SELECT customer_id, u.key AS meter, greatest(-9223372036854775807, least(9223372036854775807, sum(u.value::bigint)))::bigint AS value FROM rows CROSS JOIN LATERAL json_each_text(usage) u GROUP BY 1, 2
  UNION ALL
  SELECT customer_id, 'charge', greatest(-9223372036854775807, least(9223372036854775807, sum(charge)))::bigint FROM rows GROUP BY 1)
INSERT INTO stripe_meter_events (identifier, customer_id, meter, value)
SELECT 'tlg_' || left(encode(sha256(convert_to(format('%s/%s/%s/%s', $1::integer, $3::bigint, s.customer_id, s.meter), 'UTF8')), 'hex'), 40),
       s.customer_id, s.meter, s.value
FROM sums s JOIN billing b ON b.customer_id = s.customer_id AND b.stripe_customer IS NOT NULL
WHERE s.meter = ANY ($4::text[]) AND s.value <> 0

-- name: meters_reached
UPDATE stripe_meter_progress SET seq = $2::bigint WHERE writer_id = $1::integer

-- Leased: another instance waits before it tries the same.
-- name: meters_due
UPDATE stripe_meter_events e SET due_at = now() + interval '2 minutes'
FROM (SELECT identifier FROM stripe_meter_events WHERE NOT given_up AND due_at <= now() ORDER BY due_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED) d, billing b
WHERE e.identifier = d.identifier AND b.customer_id = e.customer_id
RETURNING e.identifier, e.meter, e.value, coalesce(b.stripe_customer, ''), e.made_at, e.made_at < now() - interval '23 hours'

-- name: meters_sent
DELETE FROM stripe_meter_events WHERE identifier = $1::text

-- name: meters_again
UPDATE stripe_meter_events SET due_at = now() + interval '5 seconds' WHERE identifier = $1::text

-- name: meters_given_up
UPDATE stripe_meter_events SET given_up = true, problem = $2::text WHERE identifier = $1::text
