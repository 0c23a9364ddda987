-- name: rerate_insert
INSERT INTO rerates (id, from_at, to_at, customer_id, key_id, model, provider_id, priced_at, only_unrated, reason, made_by, catalogue_version, cursor_customer)
SELECT $1::uuid, $2::timestamptz, $3::timestamptz, $4::uuid, $5::uuid, $6::text, $7::uuid, CASE WHEN $8::boolean THEN clock_timestamp() END, $9::boolean,
       $10::text, $11::uuid, c.version, coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
FROM catalogue c

-- The catalogue is locked first, so that its version is that of the prices.
-- name: rerate_catalogue
SELECT version FROM catalogue FOR SHARE

-- name: rerate_pin
INSERT INTO rerate_pins (rerate_id, writer_ids, writer_seqs, price_ids, price_ends)
SELECT $1::uuid, w.ids, w.seqs, p.ids, p.ends
FROM (SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids, coalesce(array_agg(seq ORDER BY id), '{}') AS seqs FROM writers) w
CROSS JOIN (SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids,
                   coalesce(array_agg(coalesce((extract(epoch FROM valid_until) * 1000000)::bigint, 0) ORDER BY id), '{}') AS ends FROM prices) p

-- name: rerate_read
SELECT id, state, from_at, to_at, customer_id, key_id, model, provider_id, priced_at, only_unrated, reason, made_by, catalogue_version, seen, unpriced,
       customers, problem, created_at, simulated_at, post_asked_at, ended_at, calls, charge_before, charge_after, cost_before, cost_after, posted, skipped,
       posted_difference
FROM rerates WHERE id = $1::uuid

-- name: rerate_list
SELECT id, state, from_at, to_at, customer_id, key_id, model, provider_id, priced_at, only_unrated, reason, made_by, catalogue_version, seen, unpriced,
       customers, problem, created_at, simulated_at, post_asked_at, ended_at, calls, charge_before, charge_after, cost_before, cost_after, posted, skipped,
       posted_difference
FROM rerates WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') ORDER BY id DESC LIMIT $2::bigint

-- name: rerate_customer_list
SELECT customer_id, calls, charge_before, charge_after, cost_before, cost_after, posted, skipped, posted_difference
FROM rerate_customers WHERE rerate_id = $1::uuid AND customer_id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY customer_id DESC LIMIT $3::bigint

-- name: rerate_post
UPDATE rerates SET state = 3, post_asked_at = clock_timestamp(), lease_id = NULL, lease_until = NULL,
  cursor_customer = coalesce(customer_id, '00000000-0000-0000-0000-000000000000'), cursor_call = '00000000-0000-0000-0000-000000000000'
WHERE id = $1::uuid AND state = 2

-- name: rerate_cancel
UPDATE rerates SET state = 5, ended_at = clock_timestamp() WHERE id = $1::uuid AND state IN (1, 2)

-- name: rerate_state
SELECT state FROM rerates WHERE id = $1::uuid

-- The job that has waited longest, of those that nobody is at work on.
-- name: rerate_claim
UPDATE rerates SET lease_id = $1::uuid, lease_until = clock_timestamp() + $2::bigint * interval '1 microsecond'
WHERE id = (SELECT id FROM rerates WHERE state IN (1, 3) AND coalesce(lease_until, '-infinity') < clock_timestamp()
            ORDER BY coalesce(lease_until, '-infinity'), id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, cursor_customer, cursor_call

-- name: rerate_pins
SELECT writer_ids, writer_seqs, price_ids, price_ends FROM rerate_pins WHERE rerate_id = $1::uuid

-- Only of whom the lease is. $5: 0 gives it back.
-- name: rerate_save
UPDATE rerates SET cursor_customer = $3::uuid, cursor_call = $4::uuid, lease_until = clock_timestamp() + $5::bigint * interval '1 microsecond',
  seen = seen + $6::bigint, unpriced = unpriced + $7::bigint, customers = customers + $8::bigint, calls = calls + $9::bigint,
  charge_before = charge_before + $10::bigint, charge_after = charge_after + $11::bigint, cost_before = cost_before + $12::bigint,
  cost_after = cost_after + $13::bigint, posted = posted + $14::bigint, skipped = skipped + $15::bigint,
  posted_difference = posted_difference + $16::bigint, state = CASE WHEN $17::boolean THEN state + 1 ELSE state END,
  simulated_at = CASE WHEN $17::boolean AND state = 1 THEN clock_timestamp() ELSE simulated_at END,
  ended_at = CASE WHEN $17::boolean AND state = 3 THEN clock_timestamp() ELSE ended_at END
WHERE id = $1::uuid AND lease_id = $2::uuid AND state IN (1, 3)

-- name: rerate_fail
UPDATE rerates SET state = 6, problem = $3::text, ended_at = clock_timestamp() WHERE id = $1::uuid AND lease_id = $2::uuid AND state IN (1, 3)

-- name: rerate_customers_add
INSERT INTO rerate_customers (rerate_id, customer_id, calls, charge_before, charge_after, cost_before, cost_after)
SELECT $1::uuid, w.* FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) w
ON CONFLICT (rerate_id, customer_id) DO UPDATE SET calls = rerate_customers.calls + excluded.calls,
  charge_before = rerate_customers.charge_before + excluded.charge_before, charge_after = rerate_customers.charge_after + excluded.charge_after,
  cost_before = rerate_customers.cost_before + excluded.cost_before, cost_after = rerate_customers.cost_after + excluded.cost_after
RETURNING xmax = 0

-- name: rerate_customers_post
UPDATE rerate_customers r SET posted = r.posted + w.posted, skipped = r.skipped + w.skipped, posted_difference = r.posted_difference + w.difference
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[]) AS w (customer_id, posted, skipped, difference)
WHERE r.rerate_id = $1::uuid AND r.customer_id = w.customer_id

-- A round over all calls that wait for a price: where the book has moved since the last one, or it is time again. While it is
-- under way again_at is when it began.
-- name: parked_claim
UPDATE parked_calls p SET lease_id = $1::uuid, lease_until = clock_timestamp() + $2::bigint * interval '1 microsecond',
  trying_version = CASE WHEN p.trying_version <> 0 THEN p.trying_version ELSE c.version END,
  cursor_customer = CASE WHEN p.trying_version <> 0 THEN p.cursor_customer ELSE '00000000-0000-0000-0000-000000000000' END,
  cursor_call = CASE WHEN p.trying_version <> 0 THEN p.cursor_call ELSE '00000000-0000-0000-0000-000000000000' END,
  again_at = CASE WHEN p.trying_version <> 0 THEN p.again_at ELSE clock_timestamp() END
FROM catalogue c
WHERE coalesce(p.lease_until, '-infinity') < clock_timestamp()
  AND (p.trying_version <> 0 OR p.catalogue_version <> c.version OR p.again_at <= clock_timestamp())
RETURNING p.trying_version, p.cursor_customer, p.cursor_call, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- At the end of a round ($6): the next one comes when a price begins that is in the book already, or has begun since this round has,
-- or after a while: soon after a change, because what ran meanwhile by the book before may have ended without a price.
-- name: parked_save
UPDATE parked_calls SET cursor_customer = $2::uuid, cursor_call = $3::uuid, lease_until = clock_timestamp() + $4::bigint * interval '1 microsecond',
  rated = rated + $5::bigint,
  again_at = CASE WHEN $6::boolean THEN least(
    clock_timestamp() + CASE WHEN catalogue_version <> trying_version THEN interval '1 minute' ELSE interval '10 minutes' END,
    (SELECT min(valid_from) + interval '1 second' FROM prices WHERE valid_from > parked_calls.again_at)) ELSE again_at END,
  catalogue_version = CASE WHEN $6::boolean THEN trying_version ELSE catalogue_version END,
  trying_version = CASE WHEN $6::boolean THEN 0 ELSE trying_version END
WHERE lease_id = $1::uuid
