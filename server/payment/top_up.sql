-- name: top_up_put
INSERT INTO top_ups (customer_id, enabled, threshold, product_id, target, most, daily_count, monthly_cap, return_url, consent_at, consent_by, consent_text, consent_terms)
VALUES ($1::uuid, $2::boolean, $3::bigint, $4::uuid, nullif($5::bigint, 0), $6::integer, $7::integer, $8::bigint, $9::text, now(), $10::text, $11::text, $12::jsonb::json)
ON CONFLICT (customer_id) DO UPDATE SET enabled = excluded.enabled, threshold = excluded.threshold, product_id = excluded.product_id, target = excluded.target,
  most = excluded.most, daily_count = excluded.daily_count, monthly_cap = excluded.monthly_cap, return_url = excluded.return_url, state = 1, problem = '',
  link = NULL, failures = 0, retry_at = NULL, consent_at = now(), consent_by = excluded.consent_by, consent_text = excluded.consent_text,
  consent_terms = excluded.consent_terms, updated_at = now()

-- It may be below the mark already.
-- name: top_up_mark
UPDATE customers SET top_up_at = $2::bigint, top_up_due = coalesce(balance - held <= $2::bigint, false) WHERE id = $1::uuid

-- name: top_up_drop
DELETE FROM top_ups WHERE customer_id = $1::uuid

-- name: top_up_read
SELECT customer_id, enabled, threshold, product_id, coalesce(target, 0), most, daily_count, monthly_cap, return_url, state, problem, link, failures, retry_at,
  consent_at, consent_by, consent_text, consent_terms::text, updated_at
FROM top_ups WHERE customer_id = $1::uuid

-- name: top_up_release
UPDATE top_ups SET state = 1, problem = '', link = NULL, failures = 0, retry_at = NULL, updated_at = now()
WHERE customer_id = $1::uuid AND (state <> 1 OR failures > 0 OR retry_at IS NOT NULL)

-- name: top_up_off
UPDATE top_ups SET enabled = false, problem = $2::text, updated_at = now() WHERE customer_id = $1::uuid AND enabled

-- name: top_up_link
UPDATE top_ups SET link = $2::text, updated_at = now() WHERE customer_id = $1::uuid AND state = 2

-- name: top_up_state
UPDATE top_ups SET state = $2::smallint, problem = $3::text, link = NULL, failures = $4::integer, retry_at = $5::timestamptz, updated_at = now()
WHERE customer_id = $1::uuid

-- Whom the ledger saw go below its mark.
-- name: top_up_due
SELECT c.id FROM customers c JOIN top_ups t ON t.customer_id = c.id
WHERE c.top_up_due AND t.enabled AND t.state = 1 AND coalesce(t.retry_at <= now(), true)
  AND NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.kind = 2 AND o.state IN (1, 2))
LIMIT 50

-- One in flight is an order that is not decided, and one that is paid whose credits the ledger has not been told of yet.
-- name: top_up_facts
SELECT c.balance - c.held,
  EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id AND o.kind = 2 AND o.state IN (1, 2)) OR
  EXISTS (SELECT FROM payments y WHERE y.customer_id = c.id AND y.pending),
  b.payment_method IS NOT NULL AND b.stripe_customer IS NOT NULL, coalesce(b.disputed, false), coalesce(b.past_due, false),
  coalesce(p.enabled AND p.kind = 1, false), coalesce(p.price, 0), coalesce(least(p.credits::numeric + p.bonus, 9223372036854775807), 0)::bigint,
  (SELECT count(*) FROM orders o WHERE o.customer_id = c.id AND o.kind = 2 AND o.created_at >= date_trunc('day', now(), 'UTC')),
  (SELECT coalesce(sum(price), 0) FROM orders o WHERE o.customer_id = c.id AND o.kind = 2 AND o.state IN (1, 2, 6) AND o.created_at >= date_trunc('month', now(), 'UTC'))::bigint,
  (SELECT count(*) FROM orders o WHERE o.customer_id = c.id AND o.kind = 2 AND o.created_at >= now() - interval '10 minutes'),
  (SELECT max(created_at) FROM orders o WHERE o.customer_id = c.id AND o.kind = 2), now()
FROM customers c JOIN top_ups t ON t.customer_id = c.id LEFT JOIN billing b ON b.customer_id = c.id LEFT JOIN products p ON p.id = t.product_id
WHERE c.id = $1::uuid

-- name: top_up_enough
UPDATE customers SET top_up_due = false WHERE id = $1::uuid

-- Nor does it wait for anything then, but after a failure.
-- name: top_up_calm
UPDATE top_ups SET problem = '', retry_at = NULL, updated_at = now() WHERE customer_id = $1::uuid AND enabled AND state = 1 AND failures = 0 AND problem <> ''

-- name: top_up_later
UPDATE top_ups SET retry_at = $2::timestamptz, problem = $3::text, updated_at = now() WHERE customer_id = $1::uuid

-- Sent, or about to be, and not answered yet. What was tried lately has its time.
-- name: top_up_unanswered
SELECT customer_id, id FROM orders WHERE kind = 2 AND state = 1 AND updated_at < now() - $1::bigint * interval '1 microsecond' ORDER BY updated_at LIMIT 20

-- One instance at a time tries an order.
-- name: top_up_try
UPDATE orders SET updated_at = now() WHERE customer_id = $1::uuid AND id = $2::uuid AND kind = 2 AND state = 1
  AND (updated_at < now() - $3::bigint * interval '1 microsecond' OR $3::bigint = 0)
RETURNING (extract(epoch FROM now() - created_at) * 1000000)::bigint

-- Who has to act and has no link yet.
-- name: top_up_linkless
UPDATE top_ups SET retry_at = now() + interval '2 minutes'
WHERE customer_id IN (SELECT customer_id FROM top_ups WHERE enabled AND state = 2 AND link IS NULL AND coalesce(retry_at <= now(), true) LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING customer_id
