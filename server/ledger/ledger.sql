-- The ledger's two trips. Trip one locks the customers and reads what stands behind that lock; trip two writes arrays. Now and then grants
-- are read by one between them. All reading comes after the lock: in READ COMMITTED only then is it fresh. Times are microseconds since 1970.
-- What is written is unnested in a list of results, side by side: as a list of functions in FROM each array would be copied first.
-- What is asked for is looked up one by one (LATERAL, kept so by OFFSET 0), and written where it was read: to the planner a table that was
-- empty when it was looked at is empty, and reading all of it, dead rows too, is cheapest.

-- name: ledger_register
INSERT INTO writers (id, epoch, seq, lease_until, instance)
SELECT coalesce(max(id), 0) + 1, 1, 0, clock_timestamp() + $1::bigint * interval '1 microsecond', $2::text FROM writers
RETURNING id, epoch, seq, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- name: ledger_take_over
UPDATE holds SET writer_id = $1::integer, writer_epoch = $2::bigint WHERE writer_id = $3::integer

-- name: ledger_writer_look
SELECT epoch, seq FROM writers WHERE id = $1::integer FOR UPDATE

-- name: ledger_lease_end
UPDATE writers SET lease_until = clock_timestamp() WHERE id = $1::integer AND epoch = $2::bigint

-- name: ledger_fence
UPDATE writers SET seq = $3::bigint, lease_until = clock_timestamp() + $4::bigint * interval '1 microsecond'
WHERE id = $1::integer AND epoch = $2::bigint AND seq = $3::bigint - 1
RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT anything FROM outbox_wanted), (SELECT usage FROM outbox_wanted)

-- name: ledger_customers
SELECT id, config_version, balance, held, debt, credit_limit, status = 2, low_balance, top_up_at, top_up_due, event_policy = 2, open_holds,
       burning, burning_left, burned, ctid
FROM customers WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE

-- name: ledger_lockable
SELECT id FROM customers WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED

-- name: ledger_holds
SELECT h.customer_id, h.call_id, h.key_id, h.price_id, h.writer_id, h.writer_epoch, h.amount, h.metered, h.cost, h.usage, h.draws, h.idempotency_key, h.about,
       h.expires_at, h.parted, h.at
FROM unnest($1::uuid[], $2::uuid[]) AS k (customer_id, call_id)
CROSS JOIN LATERAL (SELECT *, ctid AS at FROM holds h WHERE h.customer_id = k.customer_id AND h.call_id = k.call_id OFFSET 0) h
ORDER BY h.customer_id, h.call_id

-- As they were written: what one has paid since stands in its customer's row. They come as they lie, for nearly always there is one, and
-- sorting each by itself took longer than reading it.
-- name: ledger_grants
SELECT customer_id, id, source, priority, expires_at, granted, left_over, consumed, expired, refunded, frozen, ctid
FROM grant_rows WHERE customer_id = ANY ($1::uuid[]) AND open ORDER BY customer_id

-- name: ledger_grants_all
SELECT customer_id, id, source, priority, expires_at, granted, left_over, consumed, expired, refunded, frozen, ctid
FROM grant_rows WHERE customer_id = ANY ($1::uuid[]) ORDER BY customer_id

-- name: ledger_origins
SELECT k.customer_id, g.id, k.origin
FROM unnest($1::uuid[], $2::text[]) AS k (customer_id, origin)
CROSS JOIN LATERAL (SELECT id FROM grant_rows g WHERE g.customer_id = k.customer_id AND g.origin = k.origin AND g.origin <> '' OFFSET 0) g

-- name: ledger_identities
SELECT k.customer_id, k.identity, e.content, e.call_id
FROM unnest($1::uuid[], $2::uuid[]) AS k (customer_id, identity)
CROSS JOIN LATERAL (SELECT content, call_id FROM event_identities e WHERE e.customer_id = k.customer_id AND e.identity = k.identity OFFSET 0) e

-- Of the week that ledger_insert_identities writes to in this transaction, its primary key tells.
-- name: ledger_identities_before
SELECT k.customer_id, k.identity, e.content, e.call_id
FROM unnest($1::uuid[], $2::uuid[]) AS k (customer_id, identity)
CROSS JOIN LATERAL (SELECT content, call_id FROM event_identities e
                    WHERE e.customer_id = k.customer_id AND e.identity = k.identity
                      AND (e.week < floor(extract(epoch FROM now()) / 604800)::integer OR e.week >= floor(extract(epoch FROM now()) / 604800)::integer + 1)
                    OFFSET 0) e

-- name: ledger_buckets
SELECT b.customer_id, b.limit_id, l.measure, l.period, l.amount, b.level, b.drawn_at, b.window_start, b.window_end, b.used, b.held,
  CASE WHEN l.period IN (1, 4) OR b.window_end > t.us THEN b.window_start
       ELSE (extract(epoch FROM date_trunc(t.unit[l.period], now(), p.time_zone)) * 1000000)::bigint END,
  CASE WHEN l.period IN (1, 4) OR b.window_end > t.us THEN b.window_end
       ELSE (extract(epoch FROM (date_trunc(t.unit[l.period], now() AT TIME ZONE p.time_zone) + t.length[l.period]) AT TIME ZONE p.time_zone) * 1000000)::bigint END,
  l.key_id, b.ctid
FROM buckets b
CROSS JOIN LATERAL (SELECT measure, period, amount, key_id FROM limits l WHERE l.customer_id = b.customer_id AND l.id = b.limit_id OFFSET 0) l
CROSS JOIN LATERAL (SELECT time_zone FROM customer_profiles p WHERE p.customer_id = b.customer_id OFFSET 0) p
CROSS JOIN (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS us,
                   ARRAY[NULL, 'day', 'month'] AS unit, ARRAY[NULL, interval '1 day', interval '1 month'] AS length) t
WHERE b.customer_id = ANY ($1::uuid[])
ORDER BY b.customer_id, b.limit_id

-- name: ledger_idempotency
SELECT k.customer_id, k.key, i.fingerprint, i.object_id, (extract(epoch FROM i.created_at) * 1000000)::bigint
FROM unnest($1::uuid[], $2::text[]) AS k (customer_id, key)
CROSS JOIN LATERAL (SELECT * FROM idempotency i WHERE i.customer_id = k.customer_id AND i.key = k.key OFFSET 0) i

-- name: ledger_twins
SELECT k.customer_id, k.key, h.call_id
FROM unnest($1::uuid[], $2::text[]) AS k (customer_id, key)
CROSS JOIN LATERAL (SELECT call_id FROM holds h WHERE h.customer_id = k.customer_id AND h.idempotency_key = k.key OFFSET 0) h

-- Calls of before then are not changed any more: they are about to be dropped, or have been.
-- name: ledger_closed
SELECT closed FROM calls_kept

-- name: ledger_ended
SELECT c.customer_id, c.id, c.key_id, c.price_id, c.revision, c.state, c.flags, c.charge, c.cost, c.place, c.usage,
       t.leg_grants, t.leg_amounts
FROM (SELECT DISTINCT customer_id, call_id FROM unnest($1::uuid[], $2::uuid[]) AS asked (customer_id, call_id)) k
CROSS JOIN LATERAL (SELECT * FROM calls c WHERE c.customer_id = k.customer_id AND c.id = k.call_id OFFSET 0) c
LEFT JOIN LATERAL (SELECT leg_grants, leg_amounts FROM transfers t
                   WHERE t.customer_id = c.customer_id AND t.writer_id = c.writer_id AND t.seq = c.seq AND t.ordinal = 0 OFFSET 0) t ON true
WHERE c.id >= (SELECT closed FROM calls_kept)
ORDER BY c.customer_id, c.id, c.revision

-- What trip one has locked, and what nobody changes without that lock, is written where it was read. Should a row not be there as it was
-- read, the division by zero ends the transaction: it is read again.
-- name: ledger_write_customers
WITH written AS (
  UPDATE customers c SET balance = w.balance, held = w.held, debt = w.debt, top_up_due = w.top_up_due, open_holds = w.open_holds,
    burning = w.burning, burning_left = w.burning_left, burned = w.burned
  FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS balance, unnest($3::bigint[]) AS held, unnest($4::bigint[]) AS debt,
               unnest($5::boolean[]) AS top_up_due, unnest($6::integer[]) AS open_holds, unnest($7::uuid[]) AS burning,
               unnest($8::bigint[]) AS burning_left, unnest($9::bigint[]) AS burned, unnest($10::tid[]) AS at) w
  WHERE c.ctid = w.at AND (c.id = w.id) IS TRUE
  RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::uuid[]))::integer FROM written

-- name: ledger_write_buckets
WITH written AS (
  UPDATE buckets b SET level = w.level, drawn_at = w.drawn_at, window_start = w.window_start, window_end = w.window_end, used = w.used, held = w.held
  FROM (SELECT unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS limit_id, unnest($3::bigint[]) AS level, unnest($4::bigint[]) AS drawn_at,
               unnest($5::bigint[]) AS window_start, unnest($6::bigint[]) AS window_end, unnest($7::bigint[]) AS used, unnest($8::bigint[]) AS held,
               unnest($9::tid[]) AS at) w
  WHERE b.ctid = w.at AND (b.customer_id = w.customer_id AND b.limit_id = w.limit_id) IS TRUE
  RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::uuid[]))::integer FROM written

-- name: ledger_insert_holds
INSERT INTO holds (customer_id, call_id, key_id, price_id, writer_id, writer_epoch, amount, metered, cost, usage, draws, about, idempotency_key, expires_at)
SELECT w.customer_id, w.call_id, w.key_id, w.price_id, CASE WHEN w.expires_at IS NULL THEN $1::integer ELSE 0 END, $2::bigint, w.amount, w.metered,
       w.cost, w.usage, w.draws, w.about, w.idempotency_key, w.expires_at
FROM (SELECT unnest($3::uuid[]) AS customer_id, unnest($4::uuid[]) AS call_id, unnest($5::uuid[]) AS key_id, unnest($6::uuid[]) AS price_id,
             unnest($7::bigint[]) AS amount, unnest($8::bigint[]) AS metered, unnest($9::bigint[]) AS cost, unnest($10::json[]) AS usage,
             unnest($11::bytea[]) AS draws, unnest($12::json[]) AS about, unnest($13::text[]) AS idempotency_key, unnest($14::timestamptz[]) AS expires_at) w

-- name: ledger_update_holds
WITH written AS (
  UPDATE holds h SET amount = w.amount, metered = w.metered, cost = w.cost, usage = w.usage, draws = w.draws,
    writer_id = CASE WHEN h.expires_at IS NULL THEN $1::integer ELSE 0 END, writer_epoch = $2::bigint, expires_at = w.expires_at, parted = w.parted,
    about = CASE WHEN w.amount <= h.amount THEN h.about ELSE (h.about::jsonb || jsonb_build_object('extended', coalesce(h.about::jsonb -> 'extended', '[]') || to_jsonb(trim_scale(w.amount / 1000000000.0)::text)))::json END
  FROM (SELECT unnest($3::uuid[]) AS customer_id, unnest($4::uuid[]) AS call_id, unnest($5::bigint[]) AS amount, unnest($6::bigint[]) AS metered,
               unnest($7::bigint[]) AS cost, unnest($8::json[]) AS usage, unnest($9::bytea[]) AS draws, unnest($10::timestamptz[]) AS expires_at,
               unnest($11::boolean[]) AS parted, unnest($12::tid[]) AS at) w
  WHERE h.ctid = w.at AND (h.customer_id = w.customer_id AND h.call_id = w.call_id) IS TRUE
  RETURNING 1)
SELECT 1 / (count(*) = cardinality($3::uuid[]))::integer FROM written

-- name: ledger_write_grants
WITH written AS (
  UPDATE grant_rows g SET open = w.left_over > 0, left_over = w.left_over, consumed = w.consumed, expired = w.expired,
    refunded = w.refunded, frozen = w.frozen
  FROM (SELECT unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS id, unnest($3::bigint[]) AS left_over, unnest($4::bigint[]) AS consumed,
               unnest($5::bigint[]) AS expired, unnest($6::bigint[]) AS refunded, unnest($7::bigint[]) AS frozen, unnest($8::tid[]) AS at) w
  WHERE g.ctid = w.at AND (g.id = w.id) IS TRUE
  RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::uuid[]))::integer FROM written

-- name: ledger_insert_grants
INSERT INTO grant_rows (customer_id, id, source, priority, expires_at, open, granted, left_over, consumed, expired, refunded, frozen, reason, origin, paid, currency)
SELECT w.customer_id, w.id, w.source, w.priority, w.expires_at, w.left_over > 0, w.granted, w.left_over, w.consumed, w.expired, w.refunded, w.frozen,
       w.reason, w.origin, w.paid, w.currency
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
            $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::bigint[], $15::text[])
  AS w (customer_id, id, source, priority, expires_at, granted, left_over, consumed, expired, refunded, frozen, reason, origin, paid, currency)

-- name: ledger_insert_calls
INSERT INTO calls (customer_id, id, key_id, price_id, charge, cost, place, seq, writer_id, revision, state, flags, usage)
SELECT unnest($3::uuid[]), unnest($4::uuid[]), unnest($5::uuid[]), unnest($6::uuid[]), unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]),
       $2::bigint, $1::integer, unnest($10::smallint[]), unnest($11::smallint[]), unnest($12::smallint[]), unnest($13::json[])

-- name: ledger_delete_holds
WITH written AS (
  DELETE FROM holds h USING (SELECT unnest($1::uuid[]) AS customer_id, unnest($2::uuid[]) AS call_id, unnest($3::tid[]) AS at) w
  WHERE h.ctid = w.at AND (h.customer_id = w.customer_id AND h.call_id = w.call_id) IS TRUE
  RETURNING 1)
SELECT 1 / (count(*) = cardinality($1::uuid[]))::integer FROM written

-- name: ledger_insert_evidence
INSERT INTO call_evidence (customer_id, call_id, revision, evidence, admission)
SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::smallint[]), unnest($4::json[]), unnest($5::json[])

-- The legs of all transfers stand in two arrays, of which each transfer has a piece.
-- name: ledger_insert_transfers
INSERT INTO transfers (customer_id, writer_id, seq, ordinal, kind, amount, leg_grants, leg_amounts, reason, balance)
SELECT w.customer_id, $1::integer, $2::bigint, w.ordinal, w.kind, w.amount, ($3::uuid[])[w.first_leg:w.last_leg],
       ($4::bigint[])[w.first_leg:w.last_leg], w.reason, w.balance
FROM (SELECT unnest($5::uuid[]) AS customer_id, unnest($6::smallint[]) AS ordinal, unnest($7::smallint[]) AS kind, unnest($8::bigint[]) AS amount,
             unnest($9::integer[]) AS first_leg, unnest($10::integer[]) AS last_leg, unnest($11::text[]) AS reason, unnest($12::bigint[]) AS balance) w

-- name: ledger_delete_idempotency
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
  SELECT i.at FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS k (customer_id, key, object_id)
  CROSS JOIN LATERAL (SELECT ctid AS at FROM idempotency i WHERE i.customer_id = k.customer_id AND i.key = k.key AND i.object_id = k.object_id OFFSET 0) i))

-- A derived key comes again when its window has passed.
-- name: ledger_insert_idempotency
INSERT INTO idempotency (customer_id, key, fingerprint, object_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::uuid[])
ON CONFLICT (customer_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, object_id = excluded.object_id, created_at = now()

-- name: ledger_insert_events
INSERT INTO outbox (id, customer_id, type, data)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::json[])

-- name: ledger_insert_parts
INSERT INTO hold_parts (customer_id, hold_id, part_id) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])

-- name: ledger_insert_identities
INSERT INTO event_identities (customer_id, identity, week, call_id, content, source, event_id)
SELECT unnest($1::uuid[]), unnest($2::uuid[]), (SELECT floor(extract(epoch FROM now()) / 604800)::integer), unnest($3::uuid[]), unnest($4::uuid[]),
       unnest($5::text[]), unnest($6::text[])

-- As ledger_customers, without the lock, and the database's clock behind it.
-- name: ledger_check_customer
SELECT id, config_version, balance, held, debt, credit_limit, status = 2, low_balance, top_up_at, top_up_due, event_policy = 2, open_holds,
       burning, burning_left, burned, ctid, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM customers WHERE id = $1::uuid
