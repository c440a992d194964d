"""What a department's staff page is made of: its operations as forms, and the history of one student."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.kit.audit.log import append_look_up, entries_of
from services.kit.department.desk import Desk
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.operations import StudentQuery
from services.kit.rules.department_rules import HolderOperation, Operation

_NEWEST: Final = 100


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class OperationForm(_Answer):
    name: str
    summary: str
    of_item: bool = Field(description="Whether the body names an item, and no student.")
    body: dict[str, Any] = Field(description="JSON Schema of the body.")


class HistoryEntry(_Answer):
    at: datetime
    actor: str = Field(description="Principal; with a person, `principal: person`.")
    act: str = Field(examples=["desk.loan"])
    outcome: str = Field(description="`changed`, `unchanged`, `refused`, `held` or `outdated`; of other acts, theirs.")
    details: dict[str, Any]


class History(_Answer):
    entries: tuple[HistoryEntry, ...]


def staff_router(desk: Desk[Any], department: DepartmentManifest) -> APIRouter:
    staff = require(desk_role(department.name))
    router = APIRouter(
        tags=[department.title.en],
        dependencies=[Depends(staff)],
        responses=problem_responses(401, 403, 422, 503),
    )

    @router.get("/operations", operation_id="operations", summary="List the operations with their fields")
    async def operations() -> tuple[OperationForm, ...]:
        return (*map(_form, desk.rules.operations), *map(_form, desk.rules.holder_operations))

    @router.post("/records/history", operation_id="history", summary="Get what was done about a student")
    async def history(body: StudentQuery, principal: Annotated[Principal, Depends(staff)]) -> History:
        """The newest 100 entries of the audit, newest first, without those of who looked."""
        async with desk.pool.acquire() as connection:
            await append_look_up(connection, actor=principal.name, act="record.history", students=[body.student_id])
            found = await entries_of(connection, body.student_id, limit=_NEWEST)
        return History(entries=tuple(HistoryEntry(**one) for one in found))

    return router


def _form(operation: Operation[Any, Any] | HolderOperation[Any, Any]) -> OperationForm:
    return OperationForm(
        name=operation.name,
        summary=operation.summary,
        of_item=isinstance(operation, HolderOperation),
        body=operation.body.model_json_schema(),
    )
