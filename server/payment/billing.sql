-- name: billing_read
SELECT customer_id, stripe_customer, payment_method, email, brand, last4, fingerprint, exp_month, exp_year, past_due, disputed, updated_at
FROM billing WHERE customer_id = $1::uuid

-- name: billing_customer_put
INSERT INTO billing (customer_id, stripe_customer) VALUES ($1::uuid, $2::text)
ON CONFLICT (customer_id) DO UPDATE SET stripe_customer = coalesce(billing.stripe_customer, excluded.stripe_customer), updated_at = now()
RETURNING stripe_customer

-- Its own ids there are kept for ever, and are of no order.
-- name: billing_customers_before
SELECT count(*) FROM stripe_objects WHERE customer_id = $1::uuid AND order_id IS NULL AND id LIKE 'cus\_%'

-- name: billing_customer_drop
UPDATE billing SET stripe_customer = NULL, payment_method = NULL, brand = '', last4 = '', fingerprint = '', exp_month = NULL,
  exp_year = NULL, updated_at = now()
WHERE customer_id = $1::uuid

-- name: billing_card_put
INSERT INTO billing (customer_id, payment_method, brand, last4, fingerprint, exp_month, exp_year)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, nullif($6::integer, 0), nullif($7::integer, 0))
ON CONFLICT (customer_id) DO UPDATE SET payment_method = excluded.payment_method, brand = excluded.brand, last4 = excluded.last4,
  fingerprint = excluded.fingerprint, exp_month = excluded.exp_month, exp_year = excluded.exp_year, updated_at = now()

-- name: billing_email_put
INSERT INTO billing (customer_id, email) VALUES ($1::uuid, $2::text)
ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, updated_at = now()

-- Before what is summed up in it is read: then of two that come at once the second sees what the first wrote.
-- name: billing_lock
INSERT INTO billing (customer_id) VALUES ($1::uuid) ON CONFLICT (customer_id) DO UPDATE SET customer_id = excluded.customer_id

-- It owes while a subscription of its says so.
-- name: billing_past_due_note
UPDATE billing SET past_due = EXISTS (SELECT FROM subscriptions WHERE customer_id = $1::uuid AND status IN ('past_due', 'unpaid')), updated_at = now()
WHERE customer_id = $1::uuid

-- name: billing_disputed_put
INSERT INTO billing (customer_id, disputed) VALUES ($1::uuid, $2::boolean)
ON CONFLICT (customer_id) DO UPDATE SET disputed = excluded.disputed, updated_at = now()
