-- Not told: until the end of the current day, so that what is just ending is in it; from the beginning of that month.
-- name: report_bounds
SELECT p.time_zone, (extract(epoch FROM coalesce(b.begins, date_trunc('month', b.ends - interval '1 microsecond', p.time_zone))) * 1000000)::bigint,
       (extract(epoch FROM b.ends) * 1000000)::bigint
FROM customer_profiles p
CROSS JOIN LATERAL (SELECT coalesce($2::timestamptz, ($3::text)::date::timestamp AT TIME ZONE p.time_zone) AS begins,
                           coalesce($4::timestamptz, ($5::text)::date::timestamp AT TIME ZONE p.time_zone,
                                    (date_trunc('day', (now() + interval '1 second') AT TIME ZONE p.time_zone) + interval '1 day') AT TIME ZONE p.time_zone) AS ends) b
WHERE p.customer_id = $1::uuid

-- A row for each group and meter. Ids are time, so that a day is a range of them; the first meter of a call carries its money.
-- A call counts once, by the first of its rows that settled it: one that expired or had no rate may settle later.
-- The day before is asked too: where clocks go back over midnight, its last hour reads like the first of the day after.
-- name: report_usage
WITH days AS (
  SELECT b.day, (lpad(to_hex(floor(extract(epoch FROM b.begins) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid AS first_id,
         (lpad(to_hex(floor(extract(epoch FROM b.ends) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid AS end_id
  FROM (SELECT to_char(g, 'YYYY-MM-DD') AS day, greatest(g AT TIME ZONE $4::text, $2::timestamptz) AS begins,
               least((g + interval '1 day') AT TIME ZONE $4::text, $3::timestamptz) AS ends
        FROM generate_series(date_trunc('day', $2::timestamptz AT TIME ZONE $4::text) - interval '1 day', $3::timestamptz AT TIME ZONE $4::text, interval '1 day') g
        WHERE $5::integer & 1 <> 0
        UNION ALL SELECT NULL, $2::timestamptz, $3::timestamptz WHERE $5::integer & 1 = 0) b
  WHERE b.begins < b.ends
)
SELECT a.day, CASE WHEN $5::integer & 2 <> 0 THEN r.model END AS model, a.key_id, a.meter, sum(a.calls)::bigint, sum(a.charge)::bigint,
       sum(a.cost)::bigint, sum(a.quantity)::bigint
FROM (
  SELECT d.day, c.price_id, CASE WHEN $5::integer & 4 <> 0 THEN c.key_id END AS key_id, u.meter,
         count(*) FILTER (WHERE u.first AND c.state = 2 AND (c.revision = 0 OR NOT EXISTS (
           SELECT 1 FROM calls x WHERE x.customer_id = c.customer_id AND x.id = c.id AND x.revision < c.revision AND x.state = 2))) AS calls,
         coalesce(sum(c.charge) FILTER (WHERE u.first), 0) AS charge, coalesce(sum(c.cost) FILTER (WHERE u.first), 0) AS cost,
         sum(u.quantity) AS quantity
  FROM days d
  JOIN calls c ON c.customer_id = $1::uuid AND c.id >= d.first_id AND c.id < d.end_id
  CROSS JOIN LATERAL (
    SELECT m.key AS meter, m.value::bigint AS quantity, m.n = 1 AS first FROM json_each_text(c.usage) WITH ORDINALITY m (key, value, n)
    UNION ALL SELECT NULL, 0, true WHERE c.usage::text = '{}') u
  GROUP BY 1, 2, 3, 4
) a
LEFT JOIN prices r ON r.id = a.price_id
GROUP BY 1, 2, 3, 4
ORDER BY 1 DESC, 2, 3, 4
LIMIT $6::bigint
