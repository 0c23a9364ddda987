-- How many explicit holds a customer has open: counted in the row that each of them locks and writes anyway, so that it is exact.
ALTER TABLE customers ADD COLUMN open_holds integer NOT NULL DEFAULT 0 CHECK (open_holds >= 0);
UPDATE customers c SET open_holds = h.n
FROM (SELECT customer_id, count(*) AS n FROM holds WHERE expires_at IS NOT NULL GROUP BY customer_id) h
WHERE c.id = h.customer_id;
