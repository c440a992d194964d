-- Contracts: no more than a type that takes every number of the release before, which reads and writes integers.
-- The number of how a submission ended, and of a reminder, is its second since 1970: an integer ends in January 2038.
ALTER TABLE occasion ALTER COLUMN number TYPE bigint;
