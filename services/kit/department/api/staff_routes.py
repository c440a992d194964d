"""What a department's staff page is made of: operations as forms, a student's history, and taking back what it has."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit import history
from services.kit.department.api.desk_routes import DeskAnswer, desk_answer
from services.kit.department.api.preconditions import etag_of
from services.kit.department.api.problems import as_problems
from services.kit.department.changes.undo import UndoRequest, UndoState, take_back, undo_state
from services.kit.department.desk import Desk
from services.kit.department.tables.done_operations import done_operations
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.http.requests.idempotency import IdempotencyKey, KeyHeader
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.operations import OperationBody, StudentQuery
from services.kit.rules.department_rules import HolderOperation, Operation
from services.kit.rules.fields import Line


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class OperationForm(_Answer):
    name: str
    summary: str
    of_item: bool = Field(description="Whether the body names an item, and no student.")
    body: dict[str, Any] = Field(description="JSON Schema of the body.")
    undo: bool = Field(description="Whether the office can take it back.")


class HistoryEntry(history.HistoryEntry):
    undo: UndoState = Field(
        default="not-offered",
        description="`offered`; `undone`; `moved-on`: what it changed was changed again since; else `not-offered`.",
    )
    reason: str | None = Field(default=None, description="Why it was taken back, of the entry that did.")


class UndoBody(OperationBody):
    entry_id: int = Field(ge=1, le=2**63 - 1, description="Of the operation in the student's history.")
    reason: Line


class History(_Answer):
    entries: tuple[HistoryEntry, ...]


def staff_router(desk: Desk[Any], department: DepartmentManifest) -> APIRouter:
    staff = require(desk_role(department.name))
    router = APIRouter(
        tags=[department.title.en],
        dependencies=[Depends(staff)],
        responses=problem_responses(401, 403, 409, 422, 423, 503),
    )

    @router.get("/operations", operation_id="operations", summary="List the operations with their fields")
    async def operations() -> tuple[OperationForm, ...]:
        """For a program that makes a form of each: the body's JSON Schema, and whether it can be taken back."""
        return (*map(_form, desk.rules.operations), *map(_form, desk.rules.holder_operations))

    @router.post("/records/history", operation_id="history", summary="Get what was done about a student")
    async def records_history(body: StudentQuery, principal: Annotated[Principal, Depends(staff)]) -> History:
        """The newest 100 entries of the audit, newest first, without those of who looked."""
        async with desk.pool.acquire() as connection:
            found = await history.history_of(connection, body.student_id, asked_by=principal.name, act="record.history")
            kept = await done_operations(connection, body.student_id)
            record = (await desk.read_in(connection, body.student_id)).record
        done = {one.entry_id: undo_state(desk.rules, record, one) for one in kept}
        reasons = {one.undo_entry_id: one.undo_reason for one in kept}
        return History(
            entries=tuple(
                HistoryEntry(
                    **one.model_dump(),
                    undo=done.get(one.entry_id, "not-offered"),
                    reason=reasons.get(one.entry_id),
                )
                for one in found.entries
            )
        )

    @router.post("/records/undo", operation_id="undo", summary="Take back an operation")
    async def undo(
        body: UndoBody, key: KeyHeader, response: Response, principal: Annotated[Principal, Depends(staff)]
    ) -> DeskAnswer:
        """Puts what the operation changed as it was before, while that is as the operation left it."""
        with as_problems(department):
            result = await take_back(
                desk,
                UndoRequest(body.student_id, body.entry_id, body.reason),
                now=datetime.now(UTC),
                key=IdempotencyKey.of(principal.name, key, f"undo {body.model_dump_json()}"),
                actor=principal.name,
            )
        response.headers["ETag"] = etag_of(result.record)
        return desk_answer(body.student_id, result)

    return router


def _form(operation: Operation[Any, Any] | HolderOperation[Any, Any]) -> OperationForm:
    return OperationForm(
        name=operation.name,
        summary=operation.summary,
        of_item=isinstance(operation, HolderOperation),
        body=operation.body.model_json_schema(),
        undo=operation.undo is not None,
    )
