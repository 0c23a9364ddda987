-- Not told: until the end of the current day, so that what is just ending is in it; from the beginning of that month.
-- name: report_bounds
SELECT p.time_zone, (extract(epoch FROM coalesce(b.begins, date_trunc('month', b.ends - interval '1 microsecond', p.time_zone))) * 1000000)::bigint,
       (extract(epoch FROM b.ends) * 1000000)::bigint,
       (SELECT ('x' || encode(substring(uuid_send(dropped) FROM 1 FOR 6), 'hex'))::bit(48)::bigint * 1000 FROM calls_kept)
FROM customer_profiles p
CROSS JOIN LATERAL (SELECT coalesce($2::timestamptz, ($3::text)::date::timestamp AT TIME ZONE p.time_zone) AS begins,
                           coalesce($4::timestamptz, ($5::text)::date::timestamp AT TIME ZONE p.time_zone,
                                    (date_trunc('day', (now() + interval '1 second') AT TIME ZONE p.time_zone) + interval '1 day') AT TIME ZONE p.time_zone) AS ends) b
WHERE p.customer_id = $1::uuid

-- A row for each group and meter. Ids are time, so that a day is a range of them; a row without a meter carries the money. Whole
-- quarter-hours are read from the sums, whole hours, six hours and UTC days where there are such, and from the calls that are behind no
-- cursor yet; what of the range's ends is no whole quarter, from the calls alone. One statement, so one moment.
-- What would pass 64 bits is told as their end. A call counts once, by the first of its rows that settled it: one that expired or had no rate may settle later.
-- The day before is asked too: where clocks go back over midnight, its last hour reads like the first of the day after.
-- name: report_usage
WITH days AS (
  SELECT b.day, b.first_ms, b.end_ms, (b.first_ms + 899999) / 900000 AS first, greatest(b.end_ms / 900000, (b.first_ms + 899999) / 900000) AS until
  FROM (SELECT b.day, floor(extract(epoch FROM b.begins) * 1000)::bigint AS first_ms, floor(extract(epoch FROM b.ends) * 1000)::bigint AS end_ms
        FROM (SELECT to_char(g, 'YYYY-MM-DD') AS day, greatest(g AT TIME ZONE $4::text, $2::timestamptz) AS begins,
                     least((g + interval '1 day') AT TIME ZONE $4::text, $3::timestamptz) AS ends
              FROM generate_series(date_trunc('day', $2::timestamptz AT TIME ZONE $4::text) - interval '1 day', $3::timestamptz AT TIME ZONE $4::text, interval '1 day') g
              WHERE $5::integer & 1 <> 0
              UNION ALL SELECT NULL, $2::timestamptz, $3::timestamptz WHERE $5::integer & 1 = 0) b
        WHERE b.begins < b.ends) b
),
reach AS (SELECT coalesce(min(from_quarter), 2147483647) AS hours, coalesce(min(days_from), 2147483647) AS days FROM usage_dense WHERE customer_id = $1::uuid),
-- Quarters up to the first hour, hours up to the first six, those up to the first day, days, and back again: from one bound to the next,
-- none of which is before another.
spans AS (
  SELECT d.day, s.width, s.first::integer, s.until::integer
  FROM days d CROSS JOIN reach r
  CROSS JOIN LATERAL (SELECT least(greatest((d.first + 3) / 4 * 4, r.hours), d.until) AS first) h
  CROSS JOIN LATERAL (SELECT greatest(d.until / 4 * 4, h.first) AS until) he
  CROSS JOIN LATERAL (SELECT least(greatest((d.first + 23) / 24 * 24, r.days), he.until) AS first) x
  CROSS JOIN LATERAL (SELECT greatest(d.until / 24 * 24, x.first) AS until) xe
  CROSS JOIN LATERAL (SELECT least(greatest((d.first + 95) / 96 * 96, r.days), xe.until) AS first) w
  CROSS JOIN LATERAL (SELECT greatest(d.until / 96 * 96, w.first) AS until) we
  CROSS JOIN LATERAL (VALUES (1, d.first, h.first), (4, h.first, x.first), (24, x.first, w.first), (96, w.first, we.until),
                             (24, we.until, xe.until), (4, xe.until, he.until), (1, he.until, d.until)) s (width, first, until)
  WHERE s.first < s.until
),
pieces AS (
  SELECT p.day, (lpad(to_hex(p.first_ms), 12, '0') || '00000000000000000000')::uuid AS first_id, (lpad(to_hex(p.end_ms), 12, '0') || '00000000000000000000')::uuid AS end_id, p.whole
  FROM (SELECT day, first_ms, least(first * 900000, end_ms) AS end_ms, false AS whole FROM days
        UNION ALL SELECT day, greatest(until * 900000, first_ms), end_ms, false FROM days WHERE first * 900000 < end_ms
        UNION ALL SELECT day, first * 900000, until * 900000, true FROM days) p
  WHERE p.first_ms < p.end_ms
),
waiting AS (
  SELECT w.id, coalesce(c.seq, 0) AS after, w.seq AS until FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id WHERE w.seq > coalesce(c.seq, 0)
),
found AS (
  SELECT p.day, p.whole, c.* FROM pieces p JOIN calls c ON c.customer_id = $1::uuid AND c.id >= p.first_id AND c.id < p.end_id WHERE NOT p.whole
  UNION ALL
  SELECT p.day, p.whole, c.*
  FROM waiting w
  CROSS JOIN LATERAL (SELECT * FROM calls k WHERE k.writer_id = w.id AND k.seq > w.after AND k.seq <= w.until AND k.id >= $6::uuid AND k.id < $7::uuid OFFSET 0) c
  JOIN pieces p ON p.whole AND c.id >= p.first_id AND c.id < p.end_id
  WHERE c.customer_id = $1::uuid
),
-- A call is under the model of its last row: a correction with another one takes over what the call's rows before it add up to.
priced AS (
  SELECT c.day, c.key_id, c.price_id, c.charge, c.cost, c.usage, 1 AS sign, c.state = 2 AND (c.revision = 0 OR NOT EXISTS (
           SELECT 1 FROM calls x WHERE x.customer_id = c.customer_id AND x.id = c.id AND x.revision < c.revision AND x.state = 2)) AS counts
  FROM found c
  UNION ALL
  SELECT c.day, c.key_id, s.price_id, e.charge, e.cost, e.usage, s.sign, e.settled
  FROM (SELECT f.*, b.price_id AS was FROM found f
        CROSS JOIN LATERAL (SELECT x.price_id FROM calls x WHERE x.customer_id = f.customer_id AND x.id = f.id AND x.revision = f.revision - 1 OFFSET 0) b
        WHERE f.revision > 0 AND $5::integer & 2 <> 0 AND b.price_id <> f.price_id
          AND (SELECT model FROM prices WHERE id = b.price_id) IS DISTINCT FROM (SELECT model FROM prices WHERE id = f.price_id) OFFSET 0) c
  CROSS JOIN LATERAL call_before(c.customer_id, c.id, c.revision) e
  CROSS JOIN LATERAL (VALUES (c.was, -1), (c.price_id, 1)) s (price_id, sign)
),
-- Meters that are not summed up: from the values of quarters, and of those that calls wait for and of what is no whole quarter, from
-- the calls as their rows add up.
unsummed AS MATERIALIZED (SELECT name, aggregation FROM meters WHERE aggregation <> 1),
waited AS MATERIALIZED (
  SELECT DISTINCT c.day, ('x' || encode(substring(uuid_send(c.id) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 900000 AS quarter
  FROM found c WHERE c.whole AND EXISTS (SELECT FROM unsummed)
),
looked AS (
  SELECT p.day, c.id, c.revision, c.state, c.key_id, c.price_id, c.usage
  FROM (SELECT day, first_id, end_id FROM pieces WHERE NOT whole AND EXISTS (SELECT FROM unsummed)
        UNION ALL
        SELECT day, (lpad(to_hex(quarter * 900000), 12, '0') || '00000000000000000000')::uuid, (lpad(to_hex((quarter + 1) * 900000), 12, '0') || '00000000000000000000')::uuid FROM waited) p
  CROSS JOIN LATERAL (SELECT * FROM calls x WHERE x.customer_id = $1::uuid AND x.id >= p.first_id AND x.id < p.end_id OFFSET 0) c
),
ends AS (SELECT DISTINCT ON (id) id, state, price_id FROM looked ORDER BY id, revision DESC),
valued AS (
  SELECT l.day, l.key_id, e.price_id, m.name AS meter, m.aggregation, CASE m.aggregation WHEN 5 THEN sum(u.value::bigint)::bigint ELSE 0 END AS item,
         sum(u.value::bigint)::bigint AS value, 1::bigint AS calls, l.id AS last_call
  FROM looked l JOIN ends e ON e.id = l.id CROSS JOIN LATERAL json_each_text(l.usage) u JOIN unsummed m ON m.name = u.key
  WHERE e.state IN (2, 5) GROUP BY 1, 2, 3, 4, 5, l.id
  UNION ALL
  SELECT d.day, v.key_id, v.price_id, v.meter, m.aggregation, v.item, v.value, v.calls, v.last_call
  FROM days d
  CROSS JOIN LATERAL (SELECT * FROM usage_values x WHERE x.customer_id = $1::uuid AND x.quarter >= d.first AND x.quarter < d.until AND EXISTS (SELECT FROM unsummed) OFFSET 0) v
  JOIN unsummed m ON m.name = v.meter AND m.aggregation = v.aggregation
  WHERE NOT EXISTS (SELECT FROM waited w WHERE w.quarter = v.quarter)
)
SELECT v.day, CASE WHEN $5::integer & 2 <> 0 THEN r.model END AS model, CASE WHEN $5::integer & 4 <> 0 THEN v.key_id END AS key_id, v.meter, 0::bigint, 0::bigint, 0::bigint,
       CASE v.aggregation WHEN 2 THEN max(v.value) WHEN 3 THEN sum(v.calls)::bigint WHEN 4 THEN (array_agg(v.value ORDER BY v.last_call DESC))[1] ELSE count(DISTINCT v.item) END,
       1 + grouping(v.day)
FROM valued v LEFT JOIN prices r ON r.id = v.price_id
GROUP BY GROUPING SETS ((1, 2, 3, v.meter, v.aggregation), (v.meter, v.aggregation))
UNION ALL
SELECT a.day, CASE WHEN $5::integer & 2 <> 0 THEN r.model END AS model, a.key_id, a.meter, sum(a.calls)::bigint,
       greatest(-9223372036854775807, least(9223372036854775807, sum(a.charge)))::bigint,
       greatest(-9223372036854775807, least(9223372036854775807, sum(a.cost)))::bigint,
       greatest(-9223372036854775807, least(9223372036854775807, sum(a.quantity)))::bigint, 0
FROM (
  SELECT c.day, c.price_id, CASE WHEN $5::integer & 4 <> 0 THEN c.key_id END AS key_id, u.meter,
         coalesce(sum(c.sign) FILTER (WHERE u.first AND c.counts), 0) AS calls,
         coalesce(sum(c.sign * c.charge) FILTER (WHERE u.first), 0) AS charge, coalesce(sum(c.sign * c.cost) FILTER (WHERE u.first), 0) AS cost,
         sum(c.sign * u.quantity) AS quantity
  FROM priced c
  CROSS JOIN LATERAL (
    SELECT m.key AS meter, m.value::bigint AS quantity, false AS first FROM json_each_text(c.usage) m WHERE m.key NOT IN (SELECT name FROM unsummed)
    UNION ALL SELECT NULL, 0, true) u
  GROUP BY 1, 2, 3, 4
  UNION ALL
  SELECT s.day, g.price_id, g.key_id, u.meter, CASE WHEN u.first THEN g.calls ELSE 0 END, CASE WHEN u.first THEN g.charge ELSE 0 END,
         CASE WHEN u.first THEN g.cost ELSE 0 END, u.quantity
  FROM spans s
  CROSS JOIN LATERAL (
    SELECT r.price_id, CASE WHEN $5::integer & 4 <> 0 THEN r.key_id END AS key_id, r.meters, sum(r.calls) AS calls, sum(r.charge) AS charge, sum(r.cost) AS cost,
           ARRAY[sum(r.quantities[1]), sum(r.quantities[2]), sum(r.quantities[3]), sum(r.quantities[4])] AS quantities,
           array_agg(r.quantities) FILTER (WHERE cardinality(r.meters) > 4) AS many
    FROM usage_rollups r WHERE r.customer_id = $1::uuid AND r.width = s.width AND r.quarter >= s.first AND r.quarter < s.until
    GROUP BY 1, 2, 3 OFFSET 0) g
  CROSS JOIN LATERAL (
    SELECT m.meter, m.quantity, false AS first
    FROM (SELECT g.meters[n] AS meter, quantity FROM unnest(g.quantities) WITH ORDINALITY o (quantity, n) WHERE g.many IS NULL AND n <= cardinality(g.meters)
          UNION ALL SELECT g.meters[(n - 1) % cardinality(g.meters) + 1], sum(quantity) FROM unnest(g.many) WITH ORDINALITY o (quantity, n) GROUP BY 1) m
    WHERE m.meter NOT IN (SELECT name FROM unsummed)
    UNION ALL SELECT NULL, 0, true) u
) a
LEFT JOIN prices r ON r.id = a.price_id
GROUP BY 1, 2, 3, 4
ORDER BY 1 DESC, 2, 3, 4
LIMIT $8::bigint
