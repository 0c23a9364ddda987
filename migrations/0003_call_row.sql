-- What a call leaves behind, as small as it came: usage and evidence are explained and summed, never searched, so they are kept
-- as the text they are; and what the hold was about has a column of its own beside the evidence, so that nothing is merged.

ALTER TABLE holds ALTER COLUMN usage TYPE json USING usage::json;
ALTER TABLE holds ALTER COLUMN about DROP DEFAULT;
ALTER TABLE holds ALTER COLUMN about TYPE json USING about::json;
ALTER TABLE holds ALTER COLUMN about SET DEFAULT '{}';

ALTER TABLE calls ALTER COLUMN usage TYPE json USING usage::json;

ALTER TABLE call_evidence ADD COLUMN admission json; -- of the row that ended the hold; null: of a correction
UPDATE call_evidence SET admission = (evidence -> 'admission')::json, evidence = evidence - 'admission' WHERE evidence ? 'admission';
ALTER TABLE call_evidence ALTER COLUMN evidence TYPE json USING evidence::json;
-- Of what is too long for a row. Partitions made from now on take it over.
ALTER TABLE call_evidence ALTER COLUMN evidence SET COMPRESSION lz4, ALTER COLUMN admission SET COMPRESSION lz4;
ALTER TABLE call_evidence_default ALTER COLUMN evidence SET COMPRESSION lz4, ALTER COLUMN admission SET COMPRESSION lz4;
