"""Why the clearance refused a request of the certificate desk, as in `published.desk_refusal_v1`."""

from enum import StrEnum


class IssueRefusal(StrEnum):
    """Readers pass over causes they do not know."""

    VOID = "void"
    ALREADY_ISSUED = "already-issued"
    UNCONFIRMED = "unconfirmed"
    """An exception is open that the clerk has not confirmed by name."""
    NO_REASON = "no-reason"
    NOT_STANDING = "not-standing"
    """The hand-over to undo is not the newest, or is undone."""
