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


def require_past(as_of: datetime | None, now: datetime | None = None, *, field: str = "query as_of") -> datetime | None:
    """Raises `Problem` for an instant in the future."""
    if as_of is not None and as_of > (now or datetime.now(UTC)) + CLOCKS_DIFFER:
        remedy = "Send when it was true, or leave it out for now."
        error = FieldProblem(field=field, problem="It is in the future.", remedy=remedy)
        raise Problem(422, "invalid-request", "The request has wrong or missing fields", detail=remedy, errors=[error])
    return as_of


def outdated_problem() -> Problem:
    return Problem(
        409,
        "outdated",
        title="Something newer is on record",
        detail="该生的记录在此时间之后已有新的办理，未写入。如确应如此，请不写 as_of 再提交。 "
        "This would undo what was done after `as_of`; nothing was changed. If it is right all the same, send it "
        "without `as_of`.",
    )
