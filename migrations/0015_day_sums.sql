-- Sums of UTC days beside those of hours, and of their quarters, six hours, of which a day of any other time zone has three whole ones;
-- and all of them for what was used before a customer got them, too.

-- Rows that stand were held to fewer widths: nothing has to be read again.
ALTER TABLE usage_rollups DROP CONSTRAINT usage_rollups_width_check,
  ADD CONSTRAINT usage_rollups_width_check CHECK (width IN (1, 4, 24, 96)) NOT VALID;

-- Hours stand from from_quarter on, days and six hours from days_from on, never from before their hours: at first what comes, then,
-- some thousand rows at a time, what was there before, until both are 0.
ALTER TABLE usage_dense ADD COLUMN days_from integer NOT NULL DEFAULT 2147483647;

-- The row that locks the sums, in place of rollup_state's: an instance of a build before this one, which would leave the days out, finds
-- none there and leaves the sums to others.
DELETE FROM rollup_state;
CREATE TABLE rollup_lock (
  one  boolean PRIMARY KEY DEFAULT true CHECK (one)
);
INSERT INTO rollup_lock DEFAULT VALUES;
