-- The plain event: what a simple system does for one call, one transaction each. The partner of the latency row.
\set c random(1, :customers)
BEGIN;
UPDATE plain_customers SET balance = balance - 10 WHERE id = :c AND balance >= 10;
INSERT INTO plain_entries (customer_id, amount, request_id) VALUES (:c, -10, gen_random_uuid());
INSERT INTO plain_usage (customer_id, request_id, model, input_tokens, output_tokens, charge) VALUES (:c, gen_random_uuid(), 'gpt-4o-mini', 100, 200, 10);
COMMIT;
