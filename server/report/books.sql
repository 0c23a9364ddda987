-- Not told: the month of the first day, or this one. Days to come are not in the books: what is asked, and up to where they go.
-- name: books_bounds
SELECT f.day - DATE '1970-01-01', u.day - DATE '1970-01-01', least(u.day, now.today + 1) - DATE '1970-01-01',
       u.day::timestamp AT TIME ZONE $1::text, clock_timestamp()
FROM (SELECT (clock_timestamp() AT TIME ZONE $1::text)::date AS today) now
CROSS JOIN LATERAL (SELECT coalesce(($3::text)::date, (date_trunc('month', coalesce(($2::text)::date, now.today)::timestamp) + interval '1 month')::date) AS day) u
CROSS JOIN LATERAL (SELECT coalesce(($2::text)::date, date_trunc('month', (u.day - 1)::timestamp)::date) AS day) f

-- Where a piece of so many transfers ends.
-- name: books_reach
SELECT customer_id, writer_id, seq, ordinal FROM transfers
WHERE (customer_id, writer_id, seq, ordinal) > ($1::uuid, $2::integer, $3::bigint, $4::smallint)
ORDER BY customer_id, writer_id, seq, ordinal OFFSET $5::bigint LIMIT 1

-- name: books_piece
SELECT t.customer_id, l.grant_id, (t.at AT TIME ZONE $9::text)::date - DATE '1970-01-01' AS day, t.kind, sum(l.amount)::bigint
FROM transfers t CROSS JOIN LATERAL unnest(t.leg_grants, t.leg_amounts) AS l (grant_id, amount)
WHERE (t.customer_id, t.writer_id, t.seq, t.ordinal) > ($1::uuid, $2::integer, $3::bigint, $4::smallint)
  AND (t.customer_id, t.writer_id, t.seq, t.ordinal) <= ($5::uuid, $6::integer, $7::bigint, $8::smallint)
  AND t.at < $10::timestamptz
GROUP BY 1, 2, 3, 4

-- name: books_grants
SELECT customer_id, id, source, granted, paid, currency, (created_at AT TIME ZONE $3::text)::date - DATE '1970-01-01'
FROM grants WHERE customer_id >= $1::uuid AND customer_id < $2::uuid AND created_at < $4::timestamptz
ORDER BY customer_id, id
