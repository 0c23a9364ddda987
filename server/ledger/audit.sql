-- Each rule looks at the customers in ($1, $2] and returns the rows that break it: customer, and the row as text.

-- name: audit_piece
SELECT (array_agg(id ORDER BY id DESC))[1], count(*) FROM (SELECT id FROM customers WHERE id > $1::uuid ORDER BY id LIMIT $2::bigint) piece

-- name: audit_balance_grants
SELECT c.id, format('balance %s, grants have left %s, debt %s', c.balance, g.left_over, c.debt)
FROM customers c
CROSS JOIN LATERAL (SELECT coalesce(sum(left_over), 0) AS left_over FROM grants WHERE customer_id = c.id) g
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND c.balance <> g.left_over - c.debt

-- name: audit_balance_transfers
SELECT c.id, format('balance %s, transfers add up to %s', c.balance, t.effect)
FROM customers c
CROSS JOIN LATERAL (SELECT coalesce(sum(CASE kind WHEN 1 THEN -amount WHEN 2 THEN amount WHEN 3 THEN 0 WHEN 4 THEN -amount WHEN 5 THEN amount WHEN 6 THEN 0
                                               WHEN 7 THEN -amount WHEN 8 THEN -amount WHEN 9 THEN amount WHEN 10 THEN amount WHEN 11 THEN 0 WHEN 12 THEN 0 WHEN 13 THEN amount WHEN 14 THEN -amount END), 0) AS effect
                    FROM transfers WHERE customer_id = c.id) t
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND c.balance <> t.effect

-- name: audit_held
SELECT c.id, format('held %s, its holds add up to %s', c.held, h.amount)
FROM customers c
CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS amount FROM holds WHERE customer_id = c.id) h
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND c.held <> h.amount

-- name: audit_open_holds
SELECT c.id, format('%s explicit holds are open, there are %s', c.open_holds, h.n)
FROM customers c
CROSS JOIN LATERAL (SELECT count(*) AS n FROM holds WHERE customer_id = c.id AND expires_at IS NOT NULL) h
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND c.open_holds <> h.n

-- name: audit_signs
SELECT c.id, format('held %s, debt %s, status %s', c.held, c.debt, c.status)
FROM customers c
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND (c.held < 0 OR c.debt < 0)

-- name: audit_grants
SELECT g.customer_id, format('grant %s: granted %s, left %s + consumed %s + expired %s + refunded %s + frozen %s', g.id, g.granted, g.left_over, g.consumed, g.expired, g.refunded, g.frozen)
FROM grants g
WHERE g.customer_id > $1::uuid AND g.customer_id <= $2::uuid
  AND (g.granted <> g.left_over + g.consumed + g.expired + g.refunded + g.frozen OR g.open <> (g.left_over > 0))

-- What a customer's row says that burns is the first in burn order of what is open, with what it has left; nil: nothing is.
-- name: audit_burning
SELECT c.id, format('%s burns and has %s left, of which %s was paid: the first that is open is %s with %s', c.burning, c.burning_left, c.burned, g.id, g.left_over)
FROM customers c
LEFT JOIN LATERAL (SELECT id, left_over FROM grants WHERE customer_id = c.id AND open ORDER BY priority, expires_at NULLS LAST, id LIMIT 1) g ON true
WHERE c.id > $1::uuid AND c.id <= $2::uuid AND c.burning IS NOT NULL
  AND (c.burning <> coalesce(g.id, '00000000-0000-0000-0000-000000000000') OR c.burning_left <> coalesce(g.left_over, 0))

-- name: audit_grant_legs
SELECT g.customer_id, format('grant %s: consumed %s, expired %s, refunded %s, frozen %s, its legs say %s, %s, %s, %s', g.id, g.consumed, g.expired, g.refunded, g.frozen,
                             coalesce(l.consumed, 0), coalesce(l.expired, 0), coalesce(l.refunded, 0), coalesce(l.frozen, 0))
FROM grants g
LEFT JOIN (
  SELECT t.customer_id, leg.grant_id,
         sum(CASE t.kind WHEN 1 THEN leg.amount WHEN 3 THEN leg.amount WHEN 5 THEN -leg.amount WHEN 6 THEN -leg.amount WHEN 14 THEN leg.amount ELSE 0 END) AS consumed,
         sum(CASE t.kind WHEN 4 THEN leg.amount WHEN 13 THEN -leg.amount ELSE 0 END) AS expired,
         sum(CASE t.kind WHEN 7 THEN leg.amount WHEN 9 THEN -leg.amount WHEN 11 THEN leg.amount WHEN 12 THEN -leg.amount ELSE 0 END) AS refunded,
         sum(CASE t.kind WHEN 8 THEN leg.amount WHEN 10 THEN -leg.amount WHEN 11 THEN -leg.amount WHEN 12 THEN leg.amount ELSE 0 END) AS frozen
  FROM transfers t CROSS JOIN LATERAL unnest(t.leg_grants, t.leg_amounts) AS leg (grant_id, amount)
  WHERE t.customer_id > $1::uuid AND t.customer_id <= $2::uuid GROUP BY 1, 2) l ON l.customer_id = g.customer_id AND l.grant_id = g.id
WHERE g.customer_id > $1::uuid AND g.customer_id <= $2::uuid
  AND (g.consumed, g.expired, g.refunded, g.frozen) IS DISTINCT FROM
      (coalesce(l.consumed, 0), coalesce(l.expired, 0), coalesce(l.refunded, 0), coalesce(l.frozen, 0))

-- name: audit_transfer_legs
SELECT t.customer_id, format('transfer %s/%s/%s: amount %s, legs %s', t.writer_id, t.seq, t.ordinal, t.amount, t.leg_amounts)
FROM transfers t
WHERE t.customer_id > $1::uuid AND t.customer_id <= $2::uuid
  AND t.amount <> (SELECT coalesce(sum(a), 0) FROM unnest(t.leg_amounts) AS a)

-- Batches that are so old that none of their calls are kept are not looked at; of the others, calls that were dropped are in calls_dropped.
-- name: audit_calls_transfers
SELECT coalesce(t.customer_id, c.customer_id),
       format('batch %s/%s: consumed %s reversed %s, its calls charge %s and give back %s, side by side %s',
              coalesce(t.writer_id, c.writer_id), coalesce(t.seq, c.seq), t.consumed, t.reversed, c.charged, c.given_back, c.side_by_side)
FROM (SELECT customer_id, writer_id, seq, coalesce(sum(amount) FILTER (WHERE kind = 1), 0) AS consumed,
             coalesce(sum(amount) FILTER (WHERE kind = 5), 0) AS reversed
      FROM transfers WHERE customer_id > $1::uuid AND customer_id <= $2::uuid AND at >= (
        SELECT to_timestamp(('x' || encode(substring(uuid_send(dropped) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 1000.0) - interval '10 minutes' FROM calls_kept)
      GROUP BY 1, 2, 3) t
FULL JOIN (SELECT customer_id, writer_id, seq, sum(charged) AS charged, sum(given_back) AS given_back, bool_and(side_by_side) OR bool_or(dropped) AS side_by_side
           FROM (SELECT customer_id, writer_id, seq, coalesce(sum(charge) FILTER (WHERE charge > 0), 0) AS charged,
                        coalesce(-sum(charge) FILTER (WHERE charge < 0), 0) AS given_back, bool_and(place = before OR charge <= 0) AS side_by_side, false AS dropped
                 FROM (SELECT customer_id, writer_id, seq, charge, place,
                              coalesce(sum(greatest(charge, 0)) OVER (PARTITION BY customer_id, writer_id, seq ORDER BY place, greatest(charge, 0)
                                                                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
                       FROM calls WHERE customer_id > $1::uuid AND customer_id <= $2::uuid AND id >= (SELECT dropped FROM calls_kept)) placed
                 GROUP BY 1, 2, 3
                 UNION ALL
                 SELECT d.customer_id, d.writer_id, d.seq, d.charged, d.given_back, true, true FROM calls_dropped d, calls_kept k
                 WHERE d.customer_id > $1::uuid AND d.customer_id <= $2::uuid AND d.until <= k.dropped AND EXISTS (
                   SELECT FROM transfers x WHERE x.customer_id = d.customer_id AND x.writer_id = d.writer_id AND x.seq = d.seq
                   AND x.at >= to_timestamp(('x' || encode(substring(uuid_send(k.dropped) FROM 1 FOR 6), 'hex'))::bit(48)::bigint / 1000.0) - interval '10 minutes')) added
           GROUP BY 1, 2, 3) c
  ON c.customer_id = t.customer_id AND c.writer_id = t.writer_id AND c.seq = t.seq
WHERE coalesce(t.consumed, 0) <> coalesce(c.charged, 0) OR coalesce(t.reversed, 0) <> coalesce(c.given_back, 0) OR NOT coalesce(c.side_by_side, true)

-- name: audit_buckets
SELECT b.customer_id, format('bucket of limit %s: held %s, its holds drew %s', b.limit_id, b.held, coalesce(d.amount, 0))
FROM buckets b
LEFT JOIN LATERAL (
  SELECT sum(('x' || encode(substring(h.draws FROM 25 + 32 * i FOR 8), 'hex'))::bit(64)::bigint) AS amount
  FROM holds h CROSS JOIN LATERAL generate_series(0, length(h.draws) / 32 - 1) AS i
  WHERE h.customer_id = b.customer_id AND substring(h.draws FROM 1 + 32 * i FOR 16) = uuid_send(b.limit_id)
    AND ('x' || encode(substring(h.draws FROM 17 + 32 * i FOR 8), 'hex'))::bit(64)::bigint = b.window_start) d ON true
WHERE b.customer_id > $1::uuid AND b.customer_id <= $2::uuid AND b.held <> coalesce(d.amount, 0)

-- name: audit_states
SELECT c.customer_id, format('call %s has a hold and has ended', c.id)
FROM holds h JOIN calls c ON c.customer_id = h.customer_id AND c.id = h.call_id
WHERE h.customer_id > $1::uuid AND h.customer_id <= $2::uuid
UNION ALL
SELECT c.customer_id, format('call %s: revision %s after %s, state %s after %s', c.id, c.revision, c.last_revision, c.state, c.last_state)
FROM (SELECT customer_id, id, revision, state, lag(revision) OVER w AS last_revision, lag(state) OVER w AS last_state
      FROM calls WHERE customer_id > $1::uuid AND customer_id <= $2::uuid WINDOW w AS (PARTITION BY customer_id, id ORDER BY revision)) c
WHERE c.revision <> coalesce(c.last_revision + 1, 0) OR (c.last_state IS NOT NULL AND c.state NOT IN (2, 6) AND (c.state, c.last_state) NOT IN ((5, 4), (3, 5)))

-- name: audit_evidence
SELECT c.customer_id, format('call %s revision %s has no evidence', c.id, c.revision)
FROM calls c LEFT JOIN call_evidence e ON e.customer_id = c.customer_id AND e.call_id = c.id AND e.revision = c.revision
WHERE c.customer_id > $1::uuid AND c.customer_id <= $2::uuid AND e.call_id IS NULL AND e.revision IS NULL
  AND c.id > $3::uuid AND NOT (c.flags & 128 <> 0 AND c.revision = 0)
