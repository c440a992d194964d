"""HTTP API of operations about an item whose holder is not known to the desk: a book brought back by a friend."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends

from services.kit.department.desk import AuditContext, Desk
from services.kit.department.desk_api import (
    DeskAnswer,
    KeyHeader,
    desk_answer,
    held_problem,
    key_reused,
    refusal_problem,
)
from services.kit.department.examples import Examples, openapi_examples
from services.kit.department.idempotency import IdempotencyKey, KeyReused
from services.kit.http import auth
from services.kit.http.auth import Principal
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.operations import Held, Refused
from services.kit.rules.department_rules import HolderOperation


def holder_router(desk: Desk[Any], department: DepartmentManifest, examples: Examples) -> APIRouter:
    """`POST /operations/<name>` of each `HolderOperation`; the answer names the student."""
    router = APIRouter(tags=[department.title.en])
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
        request = f"{operation.name} {body.model_dump_json()}"  # type: ignore[attr-defined]
        try:
            student_id, result = await desk.change_of_holder(
                operation,
                body,
                now=datetime.now(UTC),
                key=IdempotencyKey.of(principal.name, key, request),
                audit=AuditContext(principal.name, f"desk.{operation.name}"),
            )
        except Refused as refused:
            raise refusal_problem(department, refused) from None
        except Held:
            raise held_problem() from None
        except KeyReused:
            raise key_reused() from None
        return desk_answer(student_id, result)

    return route
