-- The plain event's tables, with 100,000 customers.
CREATE TABLE plain_customers (id bigint PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO plain_customers SELECT g, 1000000000000 FROM generate_series(1, 100000) g;
CREATE TABLE plain_entries (id bigint GENERATED ALWAYS AS IDENTITY, customer_id bigint NOT NULL, amount bigint NOT NULL, request_id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (customer_id, id));
CREATE UNIQUE INDEX ON plain_entries (customer_id, request_id);
CREATE TABLE plain_usage (customer_id bigint NOT NULL, request_id uuid NOT NULL, model text, input_tokens bigint, output_tokens bigint, charge bigint,
  at timestamptz DEFAULT now());
-- The bare array statement's rows, with ids in order of time.
CREATE TABLE array_rows (id bigint GENERATED ALWAYS AS IDENTITY, customer_id bigint NOT NULL, model text, input_tokens bigint,
  output_tokens bigint, charge bigint, at timestamptz DEFAULT now(), PRIMARY KEY (customer_id, id));
VACUUM ANALYZE;
