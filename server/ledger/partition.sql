-- Partitions: months of calls, evidence and holds' parts by the time in the id, weeks of events' identities by arrival.

-- Months from the oldest that a late event reaches to the second one ahead; this week, and the next from two days before it begins, as
-- each event is looked for in all that there are.
-- name: partition_missing
SELECT w.name, w.parent, w.first, w.until
FROM (SELECT format('%s_%s', t.parent, to_char(m, 'YYYYMM')) AS name, t.parent,
             (lpad(to_hex((extract(epoch FROM m AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid::text AS first,
             (lpad(to_hex((extract(epoch FROM (m + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid::text AS until
      FROM generate_series(date_trunc('month', (now() - $1::integer * interval '1 day') AT TIME ZONE 'UTC'),
                           date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months', interval '1 month') m
      CROSS JOIN unnest(ARRAY['calls', 'call_evidence', 'hold_parts']) AS t (parent)
      UNION ALL
      SELECT format('event_identities_%s', n), 'event_identities', n::text, (n + 1)::text
      FROM generate_series(floor(extract(epoch FROM now()) / 604800)::integer, floor((extract(epoch FROM now()) + 172800) / 604800)::integer) n) w
WHERE to_regclass(w.name) IS NULL
ORDER BY w.first DESC

-- name: partition_busy_calls
SELECT EXISTS (SELECT FROM calls_default WHERE id >= $1::text::uuid AND id < $2::text::uuid)

-- name: partition_busy_evidence
SELECT EXISTS (SELECT FROM call_evidence_default WHERE call_id >= $1::text::uuid AND call_id < $2::text::uuid)

-- name: partition_busy_parts
SELECT EXISTS (SELECT FROM hold_parts_default WHERE hold_id >= $1::text::uuid AND hold_id < $2::text::uuid)

-- name: partition_busy_identities
SELECT EXISTS (SELECT FROM event_identities_default WHERE week >= $1::text::integer AND week < $2::text::integer)

-- Nobody may wait long for what housekeeping does.
-- name: partition_patience
SELECT set_config('lock_timeout', '250ms', true)

-- Evidence of before $2 days ago (0: none), identities of a week and the days that an event may be late.
-- name: partition_old
SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE (i.inhparent = 'call_evidence'::regclass AND $2::integer > 0 AND c.relname ~ '^call_evidence_[0-9]{6}$'
       AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' <= now() - $2::integer * interval '1 day')
   OR (i.inhparent = 'event_identities'::regclass AND c.relname ~ '^event_identities_[0-9]{1,6}$'
       AND (substring(c.relname FROM 18)::bigint + 2) * 604800 + $1::integer::bigint * 86400 <= extract(epoch FROM now()))
ORDER BY 1

-- The oldest month of calls, where all of it is so old: what would be its first id to be kept, and whether the default partition or a
-- hold has anything of before then.
-- name: retire_next
SELECT o.until::text, o.name, EXISTS (SELECT FROM calls_default WHERE id < o.until), EXISTS (SELECT FROM holds WHERE call_id < o.until)
FROM (SELECT c.relname::text AS name,
             (lpad(to_hex((extract(epoch FROM (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid AS until
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'calls'::regclass AND c.relname ~ '^calls_[0-9]{6}$'
        AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' <= now() - $1::integer * interval '1 day'
      ORDER BY 1 LIMIT 1) o

-- name: retire_lock
SELECT closed, dropped, walked, closed > dropped, closed_at + interval '20 seconds' < clock_timestamp() FROM calls_kept FOR UPDATE SKIP LOCKED

-- name: retire_close
UPDATE calls_kept SET closed = $1::text::uuid, closed_at = clock_timestamp(), walked = false,
  walked_customer = '00000000-0000-0000-0000-000000000000', walked_call = '00000000-0000-0000-0000-000000000000'

-- name: retire_in_order
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)

-- What closed calls have in batches of the ten minutes before the line and of all time after it: an event's time may be ahead of the
-- batch it came in by five minutes, so that batches of before then have nothing that is kept. A call that the piece ends in is left
-- to the next one: it may go on there.
-- name: retire_walk
WITH piece AS MATERIALIZED (
  SELECT c.customer_id, c.id, c.writer_id, c.seq, c.charge FROM calls c
  WHERE c.id < (SELECT closed FROM calls_kept) AND (c.customer_id, c.id) > ((SELECT walked_customer FROM calls_kept), (SELECT walked_call FROM calls_kept))
  ORDER BY c.customer_id, c.id LIMIT $1::bigint),
ending AS (SELECT customer_id, id, (SELECT count(*) FROM piece) = $1::bigint AS goes_on FROM piece ORDER BY customer_id DESC, id DESC LIMIT 1),
whole AS MATERIALIZED (SELECT p.* FROM piece p, ending e WHERE NOT e.goes_on OR (p.customer_id, p.id) < (e.customer_id, e.id)),
added AS (
  INSERT INTO calls_dropped AS d (until, customer_id, writer_id, seq, charged, given_back)
  SELECT k.closed, w.customer_id, w.writer_id, w.seq, coalesce(sum(w.charge) FILTER (WHERE w.charge > 0), 0), coalesce(-sum(w.charge) FILTER (WHERE w.charge < 0), 0)
  FROM whole w, calls_kept k
  WHERE w.charge <> 0 AND EXISTS (SELECT FROM transfers t WHERE t.customer_id = w.customer_id AND t.writer_id = w.writer_id AND t.seq = w.seq
    AND t.at >= to_timestamp(('x' || encode(substring(uuid_send(k.closed) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 1000.0) - interval '10 minutes')
  GROUP BY 1, 2, 3, 4
  ON CONFLICT (customer_id, writer_id, seq, until) DO UPDATE SET charged = d.charged + excluded.charged, given_back = d.given_back + excluded.given_back)
UPDATE calls_kept k SET walked = NOT coalesce((SELECT goes_on FROM ending), false),
  walked_customer = coalesce(w.customer_id, k.walked_customer), walked_call = coalesce(w.id, k.walked_call)
FROM (SELECT 1) AS one LEFT JOIN (SELECT customer_id, id FROM whole ORDER BY customer_id DESC, id DESC LIMIT 1) w ON true

-- Whether the sums of usage have all of what is to go.
-- name: retire_summed
SELECT NOT EXISTS (
  SELECT FROM (SELECT w.id, coalesce(c.seq, 0) AS after, w.seq AS until FROM writers w LEFT JOIN rollup_cursors c ON c.writer_id = w.id WHERE w.seq > coalesce(c.seq, 0)) w
  CROSS JOIN LATERAL (SELECT 1 FROM calls k WHERE k.writer_id = w.id AND k.seq > w.after AND k.seq <= w.until AND k.id < (SELECT closed FROM calls_kept) OFFSET 0) k)

-- name: retire_names
SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('calls'::regclass, 'hold_parts'::regclass) AND c.relname ~ '^(calls|hold_parts)_[0-9]{6}$'
  AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' <= (
    SELECT to_timestamp(('x' || encode(substring(uuid_send(closed) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 1000.0) FROM calls_kept)

-- name: retire_dropped
UPDATE calls_kept SET dropped = closed
