-- $8 customers in order, each with its next calls, some hundred rows in all: a customer without any is a row too, so that every
-- statement moves on. All rows of a call come in arrays, by revision. The model of what has no price stands beside the row that said
-- so: the first, or of a hold that had expired before a later one.

-- name: rerate_calls
SELECT f.customer_id, f.id, f.key_id, l.writers, l.seqs, l.states, l.flags, l.prices, l.charges, l.costs, l.usages, e.generated, e.model
FROM (
  SELECT k.id AS customer_id, c.id, c.key_id, c.flags & 64 <> 0 AS aborted
  FROM (SELECT u.id FROM ((SELECT id FROM customers WHERE $7::uuid IS NULL AND id >= $1::uuid AND id <= $2::uuid ORDER BY id LIMIT $8::bigint)
                          UNION ALL
                          (SELECT customer_id FROM rerate_customers WHERE rerate_id = $7::uuid AND customer_id >= $1::uuid AND customer_id <= $2::uuid
                           ORDER BY customer_id LIMIT $8::bigint)) u
        ORDER BY u.id LIMIT $8::bigint) k
  LEFT JOIN LATERAL (
    SELECT id, key_id, flags FROM calls
    WHERE customer_id = k.id AND id >= $3::uuid AND id < $4::uuid AND revision = 0
      AND id > CASE WHEN k.id = $1::uuid THEN $5::uuid ELSE '00000000-0000-0000-0000-000000000000' END
    ORDER BY id LIMIT $6::bigint) c ON true
  ORDER BY k.id, c.id LIMIT $6::bigint) f
LEFT JOIN LATERAL (
  SELECT array_agg(x.writer_id ORDER BY x.revision) AS writers, array_agg(x.seq ORDER BY x.revision) AS seqs, array_agg(x.state ORDER BY x.revision) AS states,
         array_agg(x.flags ORDER BY x.revision) AS flags, array_agg(x.price_id ORDER BY x.revision) AS prices,
         array_agg(x.charge ORDER BY x.revision) AS charges, array_agg(x.cost ORDER BY x.revision) AS costs, array_agg(x.usage ORDER BY x.revision) AS usages
  FROM calls x WHERE x.customer_id = f.customer_id AND x.id = f.id) l ON f.id IS NOT NULL
LEFT JOIN LATERAL (
  SELECT (array_agg(v.evidence -> 'abort' -> 'generated' -> 'usage') FILTER (WHERE v.revision = 0))[1] AS generated,
         (array_agg(v.evidence ->> 'model' ORDER BY v.revision DESC) FILTER (WHERE v.evidence ->> 'model' IS NOT NULL))[1] AS model
  FROM call_evidence v
  WHERE (f.aborted OR l.prices[cardinality(l.prices)] = '00000000-0000-0000-0000-000000000000') AND v.customer_id = f.customer_id AND v.call_id = f.id) e ON true
ORDER BY f.customer_id, f.id

-- name: rerate_unrated
SELECT f.customer_id, f.id, f.key_id, l.writers, l.seqs, l.states, l.flags, l.prices, l.charges, l.costs, l.usages, e.generated, e.model
FROM (
  SELECT customer_id, id, key_id, flags & 64 <> 0 AS aborted FROM calls
  WHERE state = 5 AND (customer_id, id) > ($1::uuid, $5::uuid) AND customer_id <= $2::uuid AND id >= $3::uuid AND id < $4::uuid
  ORDER BY customer_id, id LIMIT $6::bigint) f
CROSS JOIN LATERAL (
  SELECT array_agg(x.writer_id ORDER BY x.revision) AS writers, array_agg(x.seq ORDER BY x.revision) AS seqs, array_agg(x.state ORDER BY x.revision) AS states,
         array_agg(x.flags ORDER BY x.revision) AS flags, array_agg(x.price_id ORDER BY x.revision) AS prices,
         array_agg(x.charge ORDER BY x.revision) AS charges, array_agg(x.cost ORDER BY x.revision) AS costs, array_agg(x.usage ORDER BY x.revision) AS usages
  FROM calls x WHERE x.customer_id = f.customer_id AND x.id = f.id) l
LEFT JOIN LATERAL (
  SELECT (array_agg(v.evidence -> 'abort' -> 'generated' -> 'usage') FILTER (WHERE v.revision = 0))[1] AS generated,
         (array_agg(v.evidence ->> 'model' ORDER BY v.revision DESC) FILTER (WHERE v.evidence ->> 'model' IS NOT NULL))[1] AS model
  FROM call_evidence v
  WHERE (f.aborted OR l.prices[cardinality(l.prices)] = '00000000-0000-0000-0000-000000000000') AND v.customer_id = f.customer_id AND v.call_id = f.id) e ON true
ORDER BY f.customer_id, f.id
