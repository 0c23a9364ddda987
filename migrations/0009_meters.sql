-- Meters that an operator defines. Which meters plugins know, and the standard ones, are in no table.
CREATE TABLE meters (
  name         text PRIMARY KEY,
  unit         text NOT NULL,                  -- for people: "page", "second of an A100"
  aggregation  smallint NOT NULL CHECK (aggregation IN (1, 2, 3, 4, 5)), -- over events, in reports: 1 sum, 2 max, 3 count, 4 last, 5 unique
  description  text NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL DEFAULT now()
);
