"""A database from a backup, or a topic that lost its records: what was published is compared, and published again."""
