"""The HTTP of a department's desk, the same for all: one route an operation, the whole record, and a look at it.

A student id is always in the body: URLs end up in logs.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.events import CheckStatus, Reason, StudentId
from services.kit.department.desk import AuditContext, ChangeResult, Desk
from services.kit.department.idempotency import KeyReused, RequestKey, request_key
from services.kit.department.rules import Operation, Record
from services.kit.http import auth
from services.kit.http.auth import Principal
from services.kit.http.problems import Problem
from services.kit.manifests import DepartmentManifest
from services.kit.message_format import fill
from services.kit.names import desk_role
from services.kit.operations import Held, OperationBody, Refused

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=8,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="A name of your own for this request, for example a UUID. Sent again with the same body it is "
        "answered the same and does nothing a second time.",
        examples=["6f0c8a52-3a0c-4a6e-9f43-2d7a53a1f0aa"],
    ),
]
Staff = Callable[..., Awaitable[Principal]]
REPLACED = Reason(code="record-replaced")


class DeskAnswer(BaseModel):
    """What the department now holds on the student, and what it says of them."""

    model_config = ConfigDict(frozen=True)

    student_id: StudentId
    applied: bool = Field(description="Whether this request changed the record.")
    repeated: bool = Field(description="Whether this answer was given before under the same Idempotency-Key.")
    clear: bool = Field(description="Whether every check of this department passes.")
    status_version: int = Field(description="Number of the department's newest status on this student; 0 if none.")
    checks: tuple[CheckStatus, ...]
    record: dict[str, Any]


class WhichStudent(OperationBody):
    """Names the student a request is about."""


def desk_router(desk: Desk[Any], department: DepartmentManifest) -> APIRouter:
    """All routes of the department's desk, for credentials with the role `desk:<department>`."""
    router = APIRouter(tags=[department.title.en])
    staff = auth.require(desk_role(department.name))
    for operation in desk.rules.operations:
        router.add_api_route(
            f"/operations/{operation.name}",
            _operation_route(desk, department, operation, staff),
            methods=["POST"],
            name=operation.name,
            operation_id=operation.name,
            summary=operation.summary,
            response_model=DeskAnswer,
        )
    router.put(
        "/records", summary="Replace a student's whole record", operation_id="replace-record", response_model=DeskAnswer
    )(_replace_route(desk, department, staff))
    router.post(
        "/records/query", summary="Look at a student's record", operation_id="query-record", response_model=DeskAnswer
    )(_look_route(desk, staff))
    return router


def _operation_route(
    desk: Desk[Any], department: DepartmentManifest, operation: Operation[Any, Any], staff: Staff
) -> Callable[..., Any]:
    body_type = operation.body

    async def route(
        body: body_type,  # type: ignore[valid-type]
        key: IdempotencyKey,
        principal: Annotated[Principal, Depends(staff)],
    ) -> DeskAnswer:
        request = request_key(principal.name, key, f"{operation.name} {body.model_dump_json()}")  # type: ignore[attr-defined]
        student_id = body.student_id  # type: ignore[attr-defined]
        act = AuditContext(principal.name, f"desk.{operation.name}")
        return await _changed(desk, department, student_id, lambda record: operation.apply(record, body), request, act)

    return route


def _replace_route(desk: Desk[Any], department: DepartmentManifest, staff: Staff) -> Callable[..., Any]:
    body_type = create_model(
        f"{desk.rules.record.__name__}Replacement",
        __base__=OperationBody,
        __doc__="A student's whole record, for a department whose own system stays the master.",
        record=(desk.rules.record, ...),
    )

    async def route(
        body: body_type,
        principal: Annotated[Principal, Depends(staff)],
    ) -> DeskAnswer:
        record: Record = body.record  # type: ignore[attr-defined]
        student_id = body.student_id
        act = AuditContext(principal.name, "desk.replace-record")
        return await _changed(desk, department, student_id, lambda _: (record, REPLACED), None, act)

    return route


def _look_route(desk: Desk[Any], staff: Staff) -> Callable[..., Any]:
    async def route(body: WhichStudent, principal: Annotated[Principal, Depends(staff)]) -> DeskAnswer:
        return _answer(body.student_id, await desk.look(body.student_id))

    return route


async def _changed(
    desk: Desk[Any],
    department: DepartmentManifest,
    student_id: str,
    operate: Callable[[Any], Any],
    request: RequestKey | None,
    act: AuditContext,
) -> DeskAnswer:
    try:
        changed = await desk.change(student_id, operate, now=datetime.now(UTC), request=request, act=act)
    except Refused as refused:
        raise refusal(department, refused) from None
    except Held:
        raise held() from None
    except KeyReused:
        raise Problem(
            422,
            "idempotency-key-reused",
            title="This Idempotency-Key was used for something else",
            errors=[
                {
                    "field": "header Idempotency-Key",
                    "problem": "It came before with another operation or another body.",
                    "remedy": "Use a new key for a new request, and the old one only to repeat the same request.",
                }
            ],
        ) from None
    return _answer(student_id, changed)


def refusal(department: DepartmentManifest, refused: Refused) -> Problem:
    """The department's own no, in its own words."""
    text = department.refusals.get(refused.reason.code)
    detail = fill(text.en, refused.reason.parameters, "en") if text else refused.reason.code
    detail_zh = fill(text.zh, refused.reason.parameters, "zh") if text else refused.reason.code
    return Problem(
        409,
        "refused",
        title="The department's rules do not allow this",
        detail=detail,
        errors=[{"field": refused.field, "problem": detail, "remedy": refused.remedy}] if refused.field else (),
        extensions={"reason": refused.reason.model_dump(), "detail_zh": detail_zh},
    )


def held() -> Problem:
    """A submission is being decided: milliseconds, as a rule."""
    return Problem(
        423,
        "held",
        title="A submission of this student is being decided",
        detail="This change would take a pass away that the submission rests on. Try again in a second.",
        headers={"Retry-After": "1"},
    )


def _answer(student_id: str, changed: ChangeResult[Any]) -> DeskAnswer:
    return DeskAnswer(
        student_id=student_id,
        applied=changed.applied,
        repeated=changed.repeated,
        clear=changed.assessment.clear,
        status_version=changed.status_version,
        checks=changed.assessment.checks,
        record=changed.record.model_dump(mode="json"),
    )
