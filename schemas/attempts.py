"""States of an attempt and causes of its refusal, as in `published.attempt_v1`."""

from enum import StrEnum


class AttemptState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    EXPIRED = "expired"


class RefusalCause(StrEnum):
    """Readers pass over causes they do not know."""

    OBJECTED = "objected"
    """A department objected; the objections say why."""
    EXPIRED = "expired"
    CASE_NOT_OPEN = "case-not-open"
    ANOTHER_OPEN = "another-attempt-open"
    ALREADY_SUBMITTED = "already-submitted"
    NUMBERS_CHANGED = "numbers-changed"
    """A former number was joined or removed since the attempt opened."""
    WAIVER_ENDED = "waiver-ended"
    """A check that was waived when the attempt opened is not waived any more."""
