-- name: usage_names
SELECT n.customer_id FROM unnest($1::text[]) WITH ORDINALITY AS t(external_id, at)
LEFT JOIN customer_names n ON n.external_id = t.external_id ORDER BY t.at

-- What is on record under calls that events were answered with: as they stand, by what they stand.
-- name: usage_recorded
SELECT l.state, l.charge, l.usage, coalesce(p.model, e.evidence ->> 'model', ''), coalesce(e.evidence #>> '{event,data}', '')
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS w(customer_id, call_id, at)
LEFT JOIN LATERAL (
  SELECT sum(c.charge)::bigint AS charge, (array_agg(c.state ORDER BY c.revision DESC))[1] AS state,
         (array_agg(c.price_id ORDER BY c.revision DESC))[1] AS price_id, (array_agg(c.usage::text ORDER BY c.revision))[1] AS usage
  FROM calls c WHERE c.customer_id = w.customer_id AND c.id = w.call_id) l ON true
LEFT JOIN prices p ON p.id = l.price_id
LEFT JOIN call_evidence e ON e.customer_id = w.customer_id AND e.call_id = w.call_id AND e.revision = 0
ORDER BY w.at
