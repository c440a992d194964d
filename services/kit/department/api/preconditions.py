"""A record's version over HTTP: `ETag` of every answer, and `If-Match` of a request that rests on it (RFC 9110)."""

import hashlib
import re
from typing import Annotated, Final, TypeVar

from fastapi import Header

from schemas.events import Reason
from services.kit.department.desk import Operate
from services.kit.http.problems import FieldProblem, Problem
from services.kit.rules.department_rules import Record

R = TypeVar("R", bound=Record)
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="`ETag` of the answer this request rests on: 412 if the record was changed since. `*`: any.",
        examples=['"3f786850e387550fdab836ed7e6dc881"'],
    ),
]
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


def etag_of(record: Record) -> str:
    """Of the content: a record that is as it was has the tag it had."""
    return f'"{hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:32]}"'


def only_if(if_match: str | None, operate: Operate[R], *, required: bool) -> Operate[R]:
    """`operate`, unless the locked record is another than `if_match` names. Raises `Problem`, then or at once."""
    if if_match is None:
        if required:
            raise _precondition_required()
        return operate
    tags = _TAG.findall(if_match)
    if not tags and if_match.strip() != "*":
        raise _malformed()

    def guarded(record: R) -> tuple[R, Reason]:
        if tags and etag_of(record) not in tags:
            raise _changed(etag_of(record))
        return operate(record)

    return guarded


def _changed(tag: str) -> Problem:
    return Problem(
        412,
        "record-changed",
        title="The record was changed since",
        detail="该生的记录此后已被修改；请重新查询，核对后再提交。 "
        "Read the record again with POST /records/query, apply the change to that, and send it with its ETag.",
        headers={"ETag": tag},
    )


def _precondition_required() -> Problem:
    return Problem(
        428,
        "if-match-required",
        title="This service replaces a record only with If-Match",
        detail="请先查询记录，并在 If-Match 中附上其 ETag。 "
        "Read the record with POST /records/query and send its ETag as If-Match.",
        errors=[_field("It is missing.")],
    )


def _malformed() -> Problem:
    return Problem(
        422, "invalid-request", title="The request has wrong or missing fields", errors=[_field("It holds no ETag.")]
    )


def _field(problem: str) -> FieldProblem:
    remedy = "Send the ETag header of the answer that had the record, with its quotation marks."
    return FieldProblem(field="header If-Match", problem=problem, remedy=remedy)
