-- One statement, so that the key, its customer's version and the limits are of one moment: what changes any of them bumps
-- the version in the same commit.

-- name: principal_load
SELECT k.customer_id, k.id, k.tag, k.kind = 'ad', k.expires_at,
       k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()),
       c.config_version, c.status = 2, p.short_policy, p.short_debt,
       ARRAY(SELECT l.id FROM limits l
             WHERE l.customer_id = k.customer_id AND (l.key_id IS NULL OR l.key_id = k.id) ORDER BY l.id),
       p.abort_charge, p.abort_upstream, (extract(epoch FROM k.expires_at - now()) * 1000000)::bigint
FROM key_directory d
JOIN keys k ON k.customer_id = d.customer_id AND k.id = d.key_id
LEFT JOIN customers c ON c.id = k.customer_id
LEFT JOIN customer_profiles p ON p.customer_id = k.customer_id
WHERE d.public_id = $1::text

-- The same columns, of no key: what binds whatever an operator does for the customer.
-- name: principal_load_customer
SELECT c.id, '00000000-0000-0000-0000-000000000000'::uuid, ''::bytea, false, NULL::timestamptz, true,
       c.config_version, c.status = 2, p.short_policy, p.short_debt,
       ARRAY(SELECT l.id FROM limits l WHERE l.customer_id = c.id AND l.key_id IS NULL ORDER BY l.id),
       p.abort_charge, p.abort_upstream, 0::bigint
FROM customers c JOIN customer_profiles p ON p.customer_id = c.id
WHERE c.id = $1::uuid

-- name: principal_versions
SELECT id, config_version FROM customers WHERE id = ANY ($1::uuid[])
