-- name: payment_lock
INSERT INTO intents (id) VALUES ($1::text) ON CONFLICT (id) DO UPDATE SET id = excluded.id

-- name: payment_invoice_lock
INSERT INTO invoice_payments AS i (invoice, payment_intent) VALUES ($1::text, $2::text)
ON CONFLICT (invoice) DO UPDATE SET payment_intent = CASE WHEN i.payment_intent = '' THEN excluded.payment_intent ELSE i.payment_intent END
RETURNING payment_intent

-- name: payment_insert
INSERT INTO payments (reference, customer_id, id, order_id, product_id, kind, paid, net, currency, credits, bonus, expires_at, bonus_expires_at, payment_intent, invoice, problem)
VALUES ($1::text, $2::uuid, $3::uuid, $4::uuid, $5::uuid, $6::smallint, $7::bigint, $8::bigint, $9::text, $10::bigint, $11::bigint, $12::timestamptz,
        $13::timestamptz, $14::text, $15::text, coalesce(nullif($16::text, ''), (SELECT problem FROM intents WHERE id = $14::text), ''))
ON CONFLICT (reference) DO NOTHING
RETURNING problem

-- name: payment_intent_put
UPDATE payments SET payment_intent = $2::text, pending = true,
  problem = CASE WHEN problem = '' THEN coalesce((SELECT problem FROM intents WHERE id = $2::text), '') ELSE problem END
WHERE invoice = $1::text AND payment_intent = '' RETURNING problem

-- name: payment_touch
UPDATE payments SET pending = true, problem = CASE WHEN $2::text = '' THEN problem ELSE $2::text END WHERE payment_intent = $1::text

-- name: payment_remember
INSERT INTO intents (id, problem) VALUES ($1::text, $2::text) ON CONFLICT (id) DO UPDATE SET problem = excluded.problem

-- name: payment_list
SELECT reference, customer_id, id, order_id, product_id, kind, paid, net, currency, credits, bonus, expires_at, bonus_expires_at, payment_intent, invoice, problem,
  refunded, pending, disputed, created_at
FROM payments WHERE customer_id = $1::uuid AND id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $3::bigint

-- name: payment_list_problems
SELECT reference, customer_id, id, order_id, product_id, kind, paid, net, currency, credits, bonus, expires_at, bonus_expires_at, payment_intent, invoice, problem,
  refunded, pending, disputed, created_at
FROM payments WHERE problem <> '' AND id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT $2::bigint

-- name: payment_read
SELECT reference, customer_id, id, order_id, product_id, kind, paid, net, currency, credits, bonus, expires_at, bonus_expires_at, payment_intent, invoice, problem,
  refunded, pending, disputed, created_at
FROM payments WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: payment_refund_list
SELECT id, amount, currency, back, status, created_at FROM refunds WHERE payment = $1::text AND payment <> '' ORDER BY created_at LIMIT 200

-- name: payment_dispute_list
SELECT id, amount, currency, state, lost, open, status, created_at FROM disputes WHERE payment = $1::text AND payment <> '' ORDER BY created_at LIMIT 200

-- A person has looked at it.
-- name: payment_seen
UPDATE payments SET problem = '' WHERE customer_id = $1::uuid AND id = $2::uuid

-- name: payment_take
SELECT reference, customer_id, id, order_id, product_id, kind, paid, net, currency, credits, bonus, expires_at, bonus_expires_at, payment_intent, invoice, problem,
  refunded, pending, disputed, created_at
FROM payments WHERE pending AND created_at > $1::timestamptz ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED

-- After the lock: what was written by whoever held it before is seen.
-- name: payment_facts
SELECT coalesce((SELECT sum(amount) FROM refunds WHERE payment = $1::text AND NOT back), 0)::bigint,
       coalesce((SELECT sum(amount) FROM refunds WHERE payment = $1::text AND back), 0)::bigint,
       coalesce((SELECT sum(refunded) FROM charges WHERE payment = $1::text), 0)::bigint,
       coalesce((SELECT sum(amount) FROM disputes WHERE payment = $1::text AND state = 2 AND lost), 0)::bigint,
       coalesce((SELECT sum(amount) FROM disputes WHERE payment = $1::text AND state = 2 AND NOT lost), 0)::bigint

-- name: payment_told
UPDATE payments SET pending = false, refunded = $2::bigint, disputed = $3::boolean, problem = CASE WHEN $4::text = '' THEN problem ELSE $4::text END
WHERE reference = $1::text

-- name: payment_charge_put
INSERT INTO charges AS c (id, payment, refunded) VALUES ($1::text, $2::text, $3::bigint)
ON CONFLICT (id) DO UPDATE SET payment = excluded.payment, refunded = greatest(c.refunded, excluded.refunded)
WHERE c.refunded < excluded.refunded OR c.payment <> excluded.payment

-- name: payment_charge_find
INSERT INTO charges (id, payment) VALUES ($1::text, '') ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING payment

-- What was known by its charge only is known by its PaymentIntent now.
-- name: payment_charge_refunds
UPDATE refunds SET payment = $2::text WHERE payment = $1::text

-- name: payment_charge_disputes
UPDATE disputes SET payment = $2::text WHERE payment = $1::text

-- name: payment_refund_put
INSERT INTO refunds AS r (id, payment, amount, currency, back, status) VALUES ($1::text, $2::text, $3::bigint, $4::text, $5::boolean, $6::text)
ON CONFLICT (id) DO UPDATE SET back = r.back OR excluded.back, status = CASE WHEN r.back THEN r.status ELSE excluded.status END, amount = excluded.amount
WHERE (r.back OR excluded.back, CASE WHEN r.back THEN r.status ELSE excluded.status END, excluded.amount) IS DISTINCT FROM (r.back, r.status, r.amount)

-- name: payment_dispute_lock
SELECT state, lost, open FROM disputes WHERE id = $1::text FOR UPDATE

-- The highest state seen counts; of two that say the same, the one that says it is decided.
-- name: payment_dispute_put
INSERT INTO disputes AS d (id, payment, amount, currency, state, lost, open, status)
VALUES ($1::text, $2::text, $3::bigint, $4::text, $5::smallint, $6::boolean, $7::boolean, $8::text)
ON CONFLICT (id) DO UPDATE SET state = greatest(d.state, excluded.state), lost = (d.lost OR excluded.lost) AND greatest(d.state, excluded.state) < 3,
  open = d.open AND excluded.open, amount = excluded.amount, status = CASE WHEN d.open OR NOT excluded.open THEN excluded.status ELSE d.status END
WHERE (greatest(d.state, excluded.state), (d.lost OR excluded.lost) AND greatest(d.state, excluded.state) < 3, d.open AND excluded.open, excluded.amount)
      IS DISTINCT FROM (d.state, d.lost, d.open, d.amount)

-- name: payment_customer
SELECT customer_id FROM payments WHERE payment_intent = $1::text LIMIT 1

-- name: payment_open_disputes
SELECT EXISTS (SELECT FROM disputes d JOIN payments p ON p.payment_intent = d.payment WHERE p.customer_id = $1::uuid AND d.open)
