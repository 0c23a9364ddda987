-- Which calls are parts of an explicit hold: written with the part, also where the hold has expired before.
CREATE TABLE hold_parts (
  customer_id  uuid NOT NULL,
  hold_id      uuid NOT NULL,
  part_id      uuid NOT NULL,
  PRIMARY KEY (customer_id, hold_id, part_id)
) PARTITION BY RANGE (hold_id);
CREATE TABLE hold_parts_default PARTITION OF hold_parts DEFAULT;

-- Whether it has any: what stands of a hold that has none is known without looking.
ALTER TABLE holds ADD COLUMN parted boolean NOT NULL DEFAULT false;
