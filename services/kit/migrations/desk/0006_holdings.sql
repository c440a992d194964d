-- What of a record one student at a time holds, such as copies of books; NULL where it was never listed.
ALTER TABLE record ADD COLUMN holdings text[];
CREATE INDEX record_holdings ON record USING gin (holdings) WHERE holdings IS NOT NULL;
