-- The whole catalogue in one statement, so in one snapshot: a row for each rate, and one for whatever has none.

-- name: book_load
SELECT c.version, p.id, p.name, p.plugin, p.base_url, p.settings, p.secret, p.priority, p.enabled,
       r.id, r.model, coalesce(p.models ->> r.model, r.model), r.valid_from, r.valid_until, r.max_input, r.max_output,
       t.meter, t.per, t.charge, t.cost
FROM catalogue c
LEFT JOIN providers p ON true
LEFT JOIN prices r ON r.provider_id = p.id
LEFT JOIN price_rates t ON t.price_id = r.id
ORDER BY r.model COLLATE "C", p.priority, p.name COLLATE "C", r.valid_from, t.meter COLLATE "C"

-- name: book_version
SELECT version FROM catalogue

-- name: book_meters
SELECT name, aggregation FROM meters ORDER BY name COLLATE "C"
