"""Reconciliation: the view is compared with what each department says it has, and what differs is published again."""
