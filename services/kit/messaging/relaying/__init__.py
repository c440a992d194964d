"""The outbox is published: the leading relay reads, sends and deletes."""
