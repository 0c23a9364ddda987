-- A call is found by its id alone: its last four bytes are its customer's, and there is an index of those.

-- name: explain_hold
SELECT h.customer_id, h.key_id, h.price_id, h.amount, h.about, h.expires_at IS NOT NULL
FROM customers k JOIN holds h ON h.customer_id = k.id AND h.call_id = $1::uuid
WHERE substring(uuid_send(k.id) FROM 13 FOR 4) = substring(uuid_send($1::uuid) FROM 13 FOR 4)
  AND ($2::uuid IS NULL OR k.id = $2::uuid)

-- name: explain_rows
SELECT c.customer_id, c.key_id, c.price_id, c.revision, c.state, c.flags, c.charge, c.cost, c.place, c.usage,
       t.leg_grants, t.leg_amounts, e.evidence -> 'raw_usage', e.admission,
       coalesce(e.evidence::jsonb, '{}') - 'raw_usage', e.admission -> 'explicit' IS NOT NULL, e.evidence -> 'by_amount' IS NOT NULL,
       e.evidence ->> 'hold'
FROM customers k
JOIN calls c ON c.customer_id = k.id AND c.id = $1::uuid
LEFT JOIN transfers t ON t.customer_id = c.customer_id AND t.writer_id = c.writer_id AND t.seq = c.seq AND t.ordinal = 0
LEFT JOIN call_evidence e ON e.customer_id = c.customer_id AND e.call_id = c.id AND e.revision = c.revision
WHERE substring(uuid_send(k.id) FROM 13 FOR 4) = substring(uuid_send($1::uuid) FROM 13 FOR 4)
  AND ($2::uuid IS NULL OR k.id = $2::uuid)
ORDER BY c.customer_id, c.revision

-- name: explain_price
SELECT r.model, p.name, p.plugin, r.valid_from, r.valid_until, t.meter, t.per, t.charge, t.cost
FROM prices r JOIN providers p ON p.id = r.provider_id LEFT JOIN price_rates t ON t.price_id = r.id
WHERE r.id = $1::uuid ORDER BY t.meter

-- name: explain_uncharged
SELECT name FROM meters WHERE aggregation NOT IN (1, 3)

-- name: explain_list
SELECT u.id, u.key_id, u.state, u.flags, u.charge, u.cost, u.usage, r.model, p.name
FROM (
  (SELECT h.call_id AS id, h.key_id, h.price_id, 1::smallint AS state, 0::smallint AS flags, 0::bigint AS charge, 0::bigint AS cost, '{}'::json AS usage
   FROM holds h
   WHERE h.customer_id = $1::uuid AND h.call_id >= $2::uuid AND h.call_id < $3::uuid AND ($4::uuid IS NULL OR h.key_id = $4::uuid)
     AND $5::smallint IN (0, 1)
   ORDER BY h.call_id DESC LIMIT $6::bigint)
  UNION ALL
  (SELECT c.id, c.key_id, coalesce(l.price_id, c.price_id), coalesce(l.state, c.state), coalesce(l.flags, c.flags),
          c.charge + coalesce(l.charge, 0), c.cost + coalesce(l.cost, 0), CASE WHEN l.state IS NULL THEN c.usage ELSE coalesce(l.usage, '{}') END
   FROM calls c
   LEFT JOIN LATERAL (
     SELECT (array_agg(x.price_id ORDER BY x.revision DESC))[1] AS price_id, (array_agg(x.state ORDER BY x.revision DESC))[1] AS state,
            (array_agg(x.flags ORDER BY x.revision DESC))[1] AS flags, sum(x.charge)::bigint AS charge, sum(x.cost)::bigint AS cost,
            (SELECT json_object_agg(s.key, s.quantity) FROM (
               SELECT m.key, sum(m.value::bigint) AS quantity FROM calls y CROSS JOIN LATERAL json_each_text(y.usage) m
               WHERE y.customer_id = c.customer_id AND y.id = c.id GROUP BY m.key HAVING sum(m.value::bigint) <> 0) s) AS usage
     FROM calls x WHERE x.customer_id = c.customer_id AND x.id = c.id AND x.revision > 0 HAVING count(*) > 0) l ON true
   WHERE c.customer_id = $1::uuid AND c.id >= $2::uuid AND c.id < $3::uuid AND c.revision = 0 AND ($4::uuid IS NULL OR c.key_id = $4::uuid)
     AND ($5::smallint = 0 OR coalesce(l.state, c.state) = $5::smallint)
   ORDER BY c.id DESC LIMIT $6::bigint)
) u
LEFT JOIN prices r ON r.id = u.price_id
LEFT JOIN providers p ON p.id = r.provider_id
ORDER BY u.id DESC LIMIT $6::bigint
