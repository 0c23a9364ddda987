-- What the rows of a call before one of its corrections add up to: reports and the sums of usage move it where a correction has
-- another price.

CREATE TYPE call_sum AS (
  price_id  uuid,                              -- of the last of them
  settled   boolean,                           -- one of them had settled it
  charge    bigint,
  cost      bigint,
  usage     json
);

-- A function in a CASE, so that nothing is looked up for the many rows that are no corrections.
CREATE FUNCTION call_before(customer uuid, call uuid, correction smallint) RETURNS call_sum LANGUAGE sql STABLE AS $$
  SELECT (array_agg(x.price_id ORDER BY x.revision DESC))[1], coalesce(bool_or(x.state = 2), false), sum(x.charge)::bigint, sum(x.cost)::bigint,
         (SELECT coalesce(json_object_agg(m.key, m.quantity), '{}') FROM (
            SELECT u.key, sum(u.value::bigint) AS quantity FROM calls y CROSS JOIN LATERAL json_each_text(y.usage) u
            WHERE y.customer_id = customer AND y.id = call AND y.revision < correction GROUP BY u.key) m)
  FROM calls x WHERE x.customer_id = customer AND x.id = call AND x.revision < correction
$$;
