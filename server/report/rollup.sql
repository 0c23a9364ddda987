-- The sums of usage and their one writer at a time. What it has of a writer's sequence stands in that writer's cursor, which is
-- advanced in the commit that adds the calls.

-- name: rollup_waiting
SELECT w.id, coalesce(c.seq, 0), w.seq FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id
WHERE w.seq > coalesce(c.seq, 0) ORDER BY w.id LIMIT $1::bigint

-- name: rollup_lock
SELECT one FROM rollup_lock FOR UPDATE SKIP LOCKED

-- name: rollup_lock_wait
SELECT one FROM rollup_lock FOR UPDATE

-- Of the calls behind a cursor the database does not know how few they are: without this it would read them all. And planning a
-- report anew takes longer than making it.
-- name: rollup_by_index
SELECT set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)

-- A call counts once, by the first of its rows that settled it. With a correction comes what the call's rows before it add up to: where
-- it has another price, all of that goes over to it.
-- name: rollup_calls
SELECT c.customer_id, c.id, c.key_id, c.price_id, c.charge, c.cost, c.usage, c.revision, c.state = 2 AND (c.e).settled IS NOT TRUE,
       (c.e).price_id, coalesce((c.e).settled, false), (c.e).charge, (c.e).cost, (c.e).usage
FROM (SELECT x.*, CASE WHEN x.revision > 0 THEN call_before(x.customer_id, x.id, x.revision) END AS e
      FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS s (writer_id, after, until)
      CROSS JOIN LATERAL (SELECT * FROM calls k WHERE k.writer_id = s.writer_id AND k.seq > s.after AND k.seq <= s.until OFFSET 0) x OFFSET 0) c
LIMIT $4::bigint

-- name: rollup_dense
SELECT customer_id, from_quarter, days_from FROM usage_dense ORDER BY customer_id

-- Hours and days are summed from the first one on that has nothing yet.
-- name: rollup_dense_add
INSERT INTO usage_dense (customer_id, from_quarter, days_from)
SELECT d.customer_id, (max(r.quarter) / 4 + 1) * 4, (max(r.quarter) / 96 + 1) * 96
FROM unnest($1::uuid[], $2::integer[]) AS d (customer_id, quarter)
CROSS JOIN LATERAL (SELECT count(*) AS rows FROM (
  SELECT FROM usage_rollups WHERE customer_id = d.customer_id AND width = 1 AND quarter = d.quarter LIMIT $3::bigint) x) n
CROSS JOIN LATERAL (SELECT quarter FROM usage_rollups WHERE customer_id = d.customer_id AND width = 1 ORDER BY quarter DESC LIMIT 1) r
WHERE n.rows = $3::bigint GROUP BY 1 ON CONFLICT DO NOTHING

-- A customer's hours from its quarters, or its days and six hours from its hours, back from where it has them: from so many rows, or
-- one hour's or day's where that has more. What corrections have brought to nothing is left out.
-- name: rollup_dense_fill
WITH reach AS (
  SELECT CASE WHEN $2::boolean THEN days_from ELSE from_quarter END AS until, CASE WHEN $2::boolean THEN (from_quarter + 95) / 96 * 96 ELSE 0 END AS bottom,
         CASE WHEN $2::boolean THEN 4 ELSE 1 END AS finer, CASE WHEN $2::boolean THEN ARRAY[96, 24] ELSE ARRAY[4] END AS widths
  FROM usage_dense WHERE customer_id = $1::uuid),
piece AS MATERIALIZED (
  SELECT finer, widths, until, greatest(bottom, least(until - widths[1], coalesce((
           SELECT (quarter / widths[1] + 1) * widths[1] FROM usage_rollups
           WHERE customer_id = $1::uuid AND width = finer AND quarter >= bottom AND quarter < until
           ORDER BY quarter DESC OFFSET $3::bigint LIMIT 1), 0))) AS first
  FROM reach WHERE until > bottom),
reached AS (
  UPDATE usage_dense d SET from_quarter = CASE WHEN $2::boolean THEN d.from_quarter ELSE p.first END, days_from = CASE WHEN $2::boolean THEN p.first ELSE d.days_from END
  FROM piece p WHERE d.customer_id = $1::uuid),
summed AS (
  SELECT r.key_id, r.price_id, w.width, r.quarter / w.width * w.width AS quarter, u.meter,
         sum(r.calls) AS calls, sum(r.charge) AS charge, sum(r.cost) AS cost, sum(u.quantity) AS quantity
  FROM piece p
  CROSS JOIN LATERAL (SELECT * FROM usage_rollups x WHERE x.customer_id = $1::uuid AND x.width = p.finer AND x.quarter >= p.first AND x.quarter < p.until OFFSET 0) r
  CROSS JOIN LATERAL (SELECT NULL AS meter, 0::bigint AS quantity UNION ALL SELECT * FROM unnest(r.meters, r.quantities)) u
  CROSS JOIN LATERAL unnest(p.widths) AS w (width)
  GROUP BY 1, 2, 3, 4, 5)
INSERT INTO usage_rollups (customer_id, key_id, price_id, width, quarter, calls, charge, cost, meters, quantities)
SELECT $1::uuid, key_id, price_id, width, quarter, (sum(calls) FILTER (WHERE meter IS NULL))::bigint,
       greatest(-9223372036854775807, least(9223372036854775807, sum(charge) FILTER (WHERE meter IS NULL)))::bigint,
       greatest(-9223372036854775807, least(9223372036854775807, sum(cost) FILTER (WHERE meter IS NULL)))::bigint,
       coalesce(array_agg(meter ORDER BY meter COLLATE "C") FILTER (WHERE quantity <> 0), '{}'),
       coalesce(array_agg(greatest(-9223372036854775807, least(9223372036854775807, quantity))::bigint ORDER BY meter COLLATE "C") FILTER (WHERE quantity <> 0), '{}')
FROM summed GROUP BY 2, 3, 4, 5
HAVING bool_or(quantity <> 0 OR (meter IS NULL AND (calls <> 0 OR charge <> 0 OR cost <> 0)))

-- Adds to the rows that stand, and tells which do. Rows' meters are pieces of one array, of which many have the same, and so are their
-- quantities. Nearly always a row has the meters that are added to it, and few. Each is looked for by itself and written where it lies, as
-- nobody else writes sums: to the planner, sums that were none when they were looked at are none, and reading them all is cheapest.
-- name: rollup_add
UPDATE usage_rollups r SET
  calls = r.calls + w.calls, charge = r.charge + w.charge, cost = r.cost + w.cost,
  meters = CASE WHEN r.meters = w.meters THEN r.meters ELSE
    ARRAY(SELECT m FROM unnest(r.meters || w.meters) AS m GROUP BY m ORDER BY m COLLATE "C") END,
  quantities = CASE
    WHEN r.meters <> w.meters THEN ARRAY(SELECT sum(u.quantity)::bigint FROM (
      SELECT * FROM unnest(r.meters, r.quantities) UNION ALL SELECT * FROM unnest(w.meters, w.quantities)) AS u (meter, quantity)
      GROUP BY u.meter ORDER BY u.meter COLLATE "C")
    WHEN cardinality(r.meters) <= 3 THEN (ARRAY[r.quantities[1] + w.quantities[1], r.quantities[2] + w.quantities[2],
      r.quantities[3] + w.quantities[3]])[1:cardinality(r.meters)]
    ELSE ARRAY(SELECT a + b FROM unnest(r.quantities, w.quantities) WITH ORDINALITY AS u (a, b, n) ORDER BY n) END
FROM (SELECT *, ($9::text[])[first_meter:last_meter] AS meters, ($12::bigint[])[first_quantity:first_quantity + last_meter - first_meter] AS quantities
      FROM (SELECT generate_series(0, cardinality($1::uuid[]) - 1) AS n, unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS key_id,
                   unnest($3::uuid[]) AS price_id, unnest($4::integer[]) AS quarter, unnest($5::smallint[]) AS width, unnest($6::bigint[]) AS calls,
                   unnest($7::bigint[]) AS charge, unnest($8::bigint[]) AS cost, unnest($10::integer[]) AS first_meter,
                   unnest($11::integer[]) AS last_meter, unnest($13::integer[]) AS first_quantity) u
      CROSS JOIN LATERAL (SELECT ctid AS at FROM usage_rollups x WHERE x.customer_id = u.customer_id AND x.width = u.width AND x.quarter = u.quarter
                          AND x.key_id = u.key_id AND x.price_id = u.price_id OFFSET 0) x OFFSET 0) w
WHERE r.ctid = w.at
RETURNING w.n

-- The same where a sum may pass 64 bits: it stays at their end.
-- name: rollup_add_bounded
UPDATE usage_rollups r SET
  calls = r.calls + w.calls,
  charge = greatest(-9223372036854775807, least(9223372036854775807, r.charge::numeric + w.charge))::bigint,
  cost = greatest(-9223372036854775807, least(9223372036854775807, r.cost::numeric + w.cost))::bigint,
  meters = ARRAY(SELECT m FROM unnest(r.meters || w.meters) AS m GROUP BY m ORDER BY m COLLATE "C"),
  quantities = ARRAY(SELECT greatest(-9223372036854775807, least(9223372036854775807, sum(u.quantity)))::bigint FROM (
      SELECT * FROM unnest(r.meters, r.quantities) UNION ALL SELECT * FROM unnest(w.meters, w.quantities)) AS u (meter, quantity)
      GROUP BY u.meter ORDER BY u.meter COLLATE "C")
FROM (SELECT *, ($9::text[])[first_meter:last_meter] AS meters, ($12::bigint[])[first_quantity:first_quantity + last_meter - first_meter] AS quantities
      FROM (SELECT generate_series(0, cardinality($1::uuid[]) - 1) AS n, unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS key_id,
                   unnest($3::uuid[]) AS price_id, unnest($4::integer[]) AS quarter, unnest($5::smallint[]) AS width, unnest($6::bigint[]) AS calls,
                   unnest($7::bigint[]) AS charge, unnest($8::bigint[]) AS cost, unnest($10::integer[]) AS first_meter,
                   unnest($11::integer[]) AS last_meter, unnest($13::integer[]) AS first_quantity) u
      CROSS JOIN LATERAL (SELECT ctid AS at FROM usage_rollups x WHERE x.customer_id = u.customer_id AND x.width = u.width AND x.quarter = u.quarter
                          AND x.key_id = u.key_id AND x.price_id = u.price_id OFFSET 0) x OFFSET 0) w
WHERE r.ctid = w.at
RETURNING w.n

-- name: rollup_new
INSERT INTO usage_rollups (customer_id, key_id, price_id, quarter, width, calls, charge, cost, meters, quantities)
SELECT customer_id, key_id, price_id, quarter, width, calls, charge, cost, meters, quantities
FROM (SELECT *, ($9::text[])[first_meter:last_meter] AS meters, ($12::bigint[])[first_quantity:first_quantity + last_meter - first_meter] AS quantities
      FROM (SELECT unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS key_id,
                   unnest($3::uuid[]) AS price_id, unnest($4::integer[]) AS quarter, unnest($5::smallint[]) AS width, unnest($6::bigint[]) AS calls,
                   unnest($7::bigint[]) AS charge, unnest($8::bigint[]) AS cost, unnest($10::integer[]) AS first_meter,
                   unnest($11::integer[]) AS last_meter, unnest($13::integer[]) AS first_quantity) u) w

-- What corrections have brought to nothing is no row, and no meter of one. Where the sums had the correction first it stays until
-- they are made anew.
-- name: rollup_nothing
DELETE FROM usage_rollups WHERE ctid = ANY (ARRAY(
  SELECT r.at FROM unnest($1::uuid[], $2::integer[]) AS q (customer_id, quarter) CROSS JOIN (VALUES (1), (4), (24), (96)) AS w (width)
  CROSS JOIN LATERAL (SELECT ctid AS at FROM usage_rollups r
                      WHERE r.customer_id = q.customer_id AND r.width = w.width AND r.quarter = q.quarter / w.width * w.width
                        AND r.calls = 0 AND r.charge = 0 AND r.cost = 0 AND 0 = ALL (r.quantities) OFFSET 0) r))

-- name: rollup_no_meters
UPDATE usage_rollups r SET
  meters = ARRAY(SELECT u.meter FROM unnest(r.meters, r.quantities) WITH ORDINALITY AS u (meter, quantity, n) WHERE u.quantity <> 0 ORDER BY u.n),
  quantities = array_remove(r.quantities, 0::bigint)
WHERE r.ctid = ANY (ARRAY(
  SELECT x.at FROM unnest($1::uuid[], $2::integer[]) AS q (customer_id, quarter) CROSS JOIN (VALUES (1), (4), (24), (96)) AS w (width)
  CROSS JOIN LATERAL (SELECT ctid AS at FROM usage_rollups x
                      WHERE x.customer_id = q.customer_id AND x.width = w.width AND x.quarter = q.quarter / w.width * w.width
                        AND 0 = ANY (x.quantities) OFFSET 0) x))

-- name: rollup_unsummed
SELECT name, aggregation FROM meters WHERE aggregation <> 1

-- name: rollup_values_add
INSERT INTO usage_values AS v (customer_id, quarter, key_id, price_id, meter, aggregation, item, value, calls, last_call)
SELECT w.customer_id, w.quarter, w.key_id, w.price_id, w.meter, w.aggregation, CASE w.aggregation WHEN 5 THEN w.value ELSE 0 END,
       CASE w.aggregation WHEN 2 THEN max(w.value) ELSE (array_agg(w.value ORDER BY w.call_id DESC))[1] END, count(*), (array_agg(w.call_id ORDER BY w.call_id DESC))[1]
FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::uuid[], $5::text[], $6::smallint[], $7::bigint[], $8::uuid[])
  AS w (customer_id, quarter, key_id, price_id, meter, aggregation, value, call_id)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (customer_id, quarter, key_id, price_id, meter, aggregation, item) DO UPDATE SET
  value = CASE WHEN v.aggregation = 2 THEN greatest(v.value, excluded.value) WHEN excluded.last_call > v.last_call THEN excluded.value ELSE v.value END,
  calls = v.calls + excluded.calls, last_call = greatest(v.last_call, excluded.last_call)

-- Quarters of calls with values that a later row has corrected already: its writer's cursor may be ahead.
-- name: rollup_values_corrected
SELECT DISTINCT w.customer_id, w.quarter FROM unnest($1::uuid[], $2::integer[], $3::uuid[]) AS w (customer_id, quarter, call_id)
CROSS JOIN LATERAL (SELECT FROM calls x WHERE x.customer_id = w.customer_id AND x.id = w.call_id AND x.revision > 0 LIMIT 1) c

-- name: rollup_values_clear
DELETE FROM usage_values WHERE ctid = ANY (ARRAY(
  SELECT v.at FROM unnest($1::uuid[], $2::integer[]) AS q (customer_id, quarter)
  CROSS JOIN LATERAL (SELECT ctid AS at FROM usage_values v WHERE v.customer_id = q.customer_id AND v.quarter = q.quarter OFFSET 0) v))

-- Values of whole quarters, from the calls that the cursors have passed, as their rows add up, under what the last of them says; of what
-- was undone or given back there are none.
-- name: rollup_values_again
WITH rows AS MATERIALIZED (
  SELECT q.quarter, c.customer_id, c.id, c.key_id, c.usage, last_value(c.state) OVER call AS state, last_value(c.price_id) OVER call AS price_id
  FROM (SELECT DISTINCT customer_id, quarter FROM unnest($1::uuid[], $2::integer[]) AS u (customer_id, quarter)) q
  CROSS JOIN LATERAL (SELECT * FROM calls x WHERE x.customer_id = q.customer_id
    AND x.id >= (lpad(to_hex(q.quarter * 900000::bigint), 12, '0') || '00000000000000000000')::uuid
    AND x.id < (lpad(to_hex((q.quarter + 1) * 900000::bigint), 12, '0') || '00000000000000000000')::uuid OFFSET 0) c
  JOIN rollup_cursors k ON k.writer_id = c.writer_id AND c.seq <= k.seq
  WINDOW call AS (PARTITION BY c.customer_id, c.id ORDER BY c.revision ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
found AS (
  SELECT r.customer_id, r.quarter, r.key_id, r.price_id, m.name AS meter, m.aggregation, sum(u.value::bigint)::bigint AS value, r.id
  FROM rows r CROSS JOIN LATERAL json_each_text(r.usage) u JOIN meters m ON m.name = u.key AND m.aggregation <> 1
  WHERE r.state IN (2, 5) GROUP BY 1, 2, 3, 4, 5, 6, r.id)
INSERT INTO usage_values (customer_id, quarter, key_id, price_id, meter, aggregation, item, value, calls, last_call)
SELECT f.customer_id, f.quarter, f.key_id, f.price_id, f.meter, f.aggregation, CASE f.aggregation WHEN 5 THEN f.value ELSE 0 END,
       CASE f.aggregation WHEN 2 THEN max(f.value) ELSE (array_agg(f.value ORDER BY f.id DESC))[1] END, count(*), (array_agg(f.id ORDER BY f.id DESC))[1]
FROM found f GROUP BY 1, 2, 3, 4, 5, 6, 7

-- name: rollup_reached
INSERT INTO rollup_cursors (writer_id, seq) SELECT * FROM unnest($1::integer[], $2::bigint[])
ON CONFLICT (writer_id) DO UPDATE SET seq = excluded.seq

-- The index by sequence knows whole ranges of 64 pages only once they are summarized; what is not is read as it is. The last range
-- is still being filled and is left alone.
-- name: rollup_ranges
SELECT i.inhrelid::bigint, pg_relation_size(x.indrelid) / current_setting('block_size')::bigint / 64
FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid WHERE i.inhparent = 'calls_order'::regclass

-- name: rollup_patience
SELECT set_config('lock_timeout', '50ms', true)

-- name: rollup_summarize
SELECT sum(brin_summarize_range($1::bigint::regclass, n * 64)) FROM generate_series($2::bigint, $3::bigint - 1) AS n

-- The order is the primary key's, so that a piece is read from where it begins; whatever the database thinks of how much there is.
-- name: rollup_in_order
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)

-- What the cursors have passed, in order, from a place on; of calls that are kept.
-- name: rollup_rebuild_calls
SELECT c.customer_id, c.id, c.key_id, c.price_id, c.charge, c.cost, c.usage, c.revision, c.state = 2 AND (c.e).settled IS NOT TRUE,
       (c.e).price_id, coalesce((c.e).settled, false), (c.e).charge, (c.e).cost, (c.e).usage
FROM (SELECT x.*, CASE WHEN x.revision > 0 THEN call_before(x.customer_id, x.id, x.revision) END AS e
      FROM calls x LEFT JOIN rollup_cursors k ON k.writer_id = x.writer_id
      WHERE (x.customer_id, x.id, x.revision) > ($1::uuid, $2::uuid, $3::smallint) AND x.id >= (SELECT dropped FROM calls_kept)
        AND x.seq <= coalesce(k.seq, 0)
      ORDER BY x.customer_id, x.id, x.revision LIMIT $4::bigint) c

-- The sums of a stretch of customers and quarters, its end not included, but for days, which a stretch may begin or end within; those of
-- calls that are gone stay.
-- name: rollup_rebuild_clear
DELETE FROM usage_rollups
WHERE width IN (1, 4) AND customer_id >= $1::uuid AND customer_id <= $3::uuid AND (customer_id, quarter) >= ($1::uuid, $2::integer) AND (customer_id, quarter) < ($3::uuid, $4::integer)
  AND quarter >= (SELECT ('x' || encode(substring(uuid_send(dropped) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 900000 FROM calls_kept)

-- name: rollup_rebuild_values_clear
DELETE FROM usage_values
WHERE customer_id >= $1::uuid AND customer_id <= $3::uuid AND (customer_id, quarter) >= ($1::uuid, $2::integer) AND (customer_id, quarter) < ($3::uuid, $4::integer)
  AND quarter >= (SELECT ('x' || encode(substring(uuid_send(dropped) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 900000 FROM calls_kept)

-- Days and six hours of customers whose hours are all made anew go, and are filled in from those as if they had never been.
-- name: rollup_rebuild_days_clear
WITH gone AS (
  DELETE FROM usage_rollups r USING usage_dense d WHERE d.customer_id >= $1::uuid AND d.customer_id < $2::uuid AND r.customer_id = d.customer_id AND r.width IN (24, 96))
UPDATE usage_dense SET days_from = 2147483647 WHERE customer_id >= $1::uuid AND customer_id < $2::uuid

-- name: rollup_rebuild_size
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_partition_tree('calls') t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
