"""`as_of` of a request: when it was true."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Query

from schemas.events import Instant
from services.kit.http.problems import FieldProblem, Problem

CLOCKS_DIFFER: Final = timedelta(minutes=1)
AsOf = Annotated[
    Instant | None,
    Query(
        description="When this was true, for a request that comes later than what it is about: it is refused if it "
        "would undo something newer. Now without it.",
        examples=["2026-06-05T14:30:00+08:00"],
    ),
]


def require_past(as_of: datetime | None, now: datetime | None = None) -> datetime | None:
    """Raises `Problem` for an instant in the future."""
    if as_of is not None and as_of > (now or datetime.now(UTC)) + CLOCKS_DIFFER:
        remedy = "Send when it was true, or leave it out for now."
        error = FieldProblem(field="query as_of", problem="It is in the future.", remedy=remedy)
        raise Problem(422, "invalid-request", "The request has wrong or missing fields", detail=remedy, errors=[error])
    return as_of
