"""HTTP API of operations about an item whose holder is not known to the desk: a book brought back by a friend."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from services.kit.department.api.desk_routes import DeskAnswer, desk_answer
from services.kit.department.api.problems import as_problems
from services.kit.department.changes.requests import AuditContext, change_of_holder
from services.kit.department.desk import Desk
from services.kit.department.examples import Examples
from services.kit.http.access import auth
from services.kit.http.access.auth import Principal
from services.kit.http.problems import problem_responses
from services.kit.http.requests.examples import openapi_examples
from services.kit.http.requests.idempotency import IdempotencyKey, KeyHeader
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.rules.department_rules import HolderOperation


def holder_router(desk: Desk[Any], department: DepartmentManifest, examples: Examples) -> APIRouter:
    """`POST /operations/<name>` of each `HolderOperation`; the answer names the student."""
    router = APIRouter(tags=[department.title.en], responses=problem_responses(409, 423))
    for operation in desk.rules.holder_operations:
        router.add_api_route(
            f"/operations/{operation.name}",
            _route(desk, department, operation, examples),
            methods=["POST"],
            operation_id=operation.name,
            summary=operation.summary,
            response_model=DeskAnswer,
        )
    return router


def _route(
    desk: Desk[Any], department: DepartmentManifest, operation: HolderOperation[Any, Any], examples: Examples
) -> Callable[..., Any]:
    body_type = operation.body
    example_body = Body(openapi_examples=openapi_examples(examples.operations.get(operation.name, ())))
    staff = auth.require(desk_role(department.name))

    async def route(
        body: Annotated[body_type, example_body],  # type: ignore[valid-type]
        key: KeyHeader,
        principal: Annotated[Principal, Depends(staff)],
    ) -> DeskAnswer:
        """For the one student who holds the item, whom the answer names; 409 if nobody does, or several.

        A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing.
        """
        request = f"{operation.name} {body.model_dump_json()}"  # type: ignore[attr-defined]
        with as_problems(department):
            student_id, result = await change_of_holder(
                desk,
                operation,
                body,
                now=datetime.now(UTC),
                key=IdempotencyKey.of(principal.name, key, request),
                audit=AuditContext(principal.name, f"desk.{operation.name}"),
            )
        return desk_answer(student_id, result)

    return route
