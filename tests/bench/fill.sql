-- Fills the ledger's tables with :calls ended calls, one after the other of the first :customers customers, spread over the
-- current month so far, by 10 keys and the newest :prices prices. Each is as the ledger would have left it, so that the audit finds the books
-- sound; a customer's calls share a transfer by the hundred, ten customers a batch. :step tells one filling from another, and is a writer of its own,
-- whose sequence the sums of usage follow as they follow any other. With :reported 1 they are usage events: each has its identity, and the sums
-- are told that they have them.
\set charge 7800
\set writer 2000000000 + :step
CREATE TEMPORARY TABLE filling AS
SELECT row_number() OVER (ORDER BY id) - 1 AS k, id, md5(id::text || :step)::uuid AS grant_id, (:calls + :customers - row_number() OVER (ORDER BY id)) / :customers AS calls
FROM (SELECT id FROM customers ORDER BY id LIMIT :customers) c;
INSERT INTO grant_rows (customer_id, id, source, open, granted, left_over, consumed)
SELECT id, grant_id, 1, false, calls * :charge, 0, calls * :charge FROM filling WHERE calls > 0;
INSERT INTO transfers (customer_id, writer_id, seq, ordinal, kind, amount, leg_grants, leg_amounts)
SELECT id, :writer, 0, 1, 2, calls * :charge, ARRAY[grant_id], ARRAY[calls * :charge] FROM filling WHERE calls > 0;
INSERT INTO transfers (customer_id, writer_id, seq, ordinal, kind, amount, leg_grants, leg_amounts)
SELECT f.id, :writer, 1 + g * ((:customers + 9) / 10) + f.k / 10, 0, 1, least(100, f.calls - g * 100) * :charge, ARRAY[f.grant_id], ARRAY[least(100, f.calls - g * 100) * :charge]
FROM filling f CROSS JOIN LATERAL generate_series(0, (f.calls - 1) / 100) g WHERE f.calls > 0;

-- A call's id: its time, the step, its number, its customer's last four bytes.
CREATE TEMPORARY TABLE filled AS
SELECT f.id AS customer_id, f.k, n, n / :customers AS i,
       (lpad(to_hex(b.first_ms + (b.last_ms - b.first_ms) * n / :calls), 12, '0') || '7' || to_hex(:step) || lpad(to_hex(n), 10, '0') || right(f.id::text, 8))::uuid AS id
FROM generate_series(0::bigint, :calls - 1) n JOIN filling f ON f.k = n % :customers
CROSS JOIN (SELECT (extract(epoch FROM date_trunc('month', now())) * 1000)::bigint + 1 AS first_ms, (extract(epoch FROM now()) * 1000)::bigint - 1000 AS last_ms) b;
INSERT INTO calls (customer_id, id, key_id, price_id, charge, cost, place, seq, writer_id, state, usage)
SELECT f.customer_id, f.id, ('00000000-0000-7000-8000-00000000000' || f.n % 10)::uuid, p.ids[1 + f.n / 10 % cardinality(p.ids)],
       :charge, 5200, f.i % 100 * :charge, 1 + f.i / 100 * ((:customers + 9) / 10) + f.k / 10, :writer, 2, '{"input_tokens":12,"output_tokens":10}'
FROM filled f CROSS JOIN (SELECT coalesce(array_agg(id ORDER BY id), ARRAY['00000000-0000-7000-8000-000000000000'::uuid]) AS ids FROM (SELECT id FROM prices ORDER BY id DESC LIMIT :prices) n) p ORDER BY f.n;
INSERT INTO call_evidence (customer_id, call_id, evidence) SELECT customer_id, id, '{"filled":true}' FROM filled ORDER BY n;
\if :reported
INSERT INTO event_identities (customer_id, identity, week, call_id, content, source, event_id)
SELECT customer_id, md5(id::text)::uuid, floor(extract(epoch FROM now()) / 604800)::integer, id, md5(n::text)::uuid, '/bench', md5(id::text)::uuid::text FROM filled ORDER BY n;
\endif
INSERT INTO writers (id, epoch, seq, lease_until) SELECT :writer, 1, 1 + (max(calls) - 1) / 100 * ((:customers + 9) / 10) + (:customers - 1) / 10, now() FROM filling;
\if :reported
INSERT INTO rollup_cursors (writer_id, seq) SELECT id, seq FROM writers WHERE id = :writer;
\endif
DROP TABLE filled, filling;
