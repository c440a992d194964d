"""HTTP API of a department's desk: operations, the whole record, and a query.

Student ids are in bodies because URLs are logged.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from schemas.events import CheckStatus, Reason, StudentId
from services.kit.audit.log import append_look_up
from services.kit.department.api.preconditions import IfMatch, etag_of, only_if
from services.kit.department.api.problems import as_problems
from services.kit.department.changes.requests import AuditContext, Remember, change_record, remembered
from services.kit.department.desk import ChangeResult, Desk, Operate
from services.kit.department.examples import Examples
from services.kit.http.access import auth
from services.kit.http.access.auth import Principal
from services.kit.http.problems import Problem, problem_responses
from services.kit.http.requests.examples import openapi_examples
from services.kit.http.requests.idempotency import IdempotencyKey, KeyHeader
from services.kit.http.requests.instants import AsOf, require_past
from services.kit.manifests import DepartmentManifest
from services.kit.names import desk_role
from services.kit.operations import OperationBody, StudentQuery
from services.kit.rules.department_rules import Claim, Operation, Record
from services.kit.rules.evidence import WHOLE_RECORD, ActEvidence
from services.kit.rules.reasons import NOTHING_ON_RECORD, RECORD_REPLACED
from services.kit.student_numbers import Standing

Staff = Callable[..., Awaitable[Principal]]


class DeskAnswer(BaseModel):
    """A student's record and the checks that follow from it."""

    model_config = ConfigDict(frozen=True)

    student_id: StudentId
    applied: bool = Field(description="Whether this request changed the record.")
    repeated: bool = Field(description="Whether this is the stored answer of an earlier request with the same key.")
    clear: bool = Field(description="Whether every check of this department passes.")
    standing: Standing = Field(
        description="Of the number on the roster: `open`, `completed`, `not-served`, `closed`, or `unknown`, which is "
        "a mistyped number or one that the roster does not have yet."
    )
    status_version: int = Field(description="Version of the department's newest status for this student; 0 if none.")
    checks: tuple[CheckStatus, ...]
    record: dict[str, Any]


def desk_router(
    desk: Desk[Any],
    department: DepartmentManifest,
    examples: Examples | None = None,
    *,
    require_if_match: bool = False,
) -> APIRouter:
    return _DeskRoutes(desk, department, examples or Examples(), require_if_match).router()


class _DeskRoutes:
    def __init__(
        self, desk: Desk[Any], department: DepartmentManifest, examples: Examples, require_if_match: bool
    ) -> None:
        self._desk = desk
        self._require_if_match = require_if_match
        self._department = department
        self._examples = examples
        self._staff: Staff = auth.require(desk_role(department.name))

    def router(self) -> APIRouter:
        router = APIRouter(tags=[self._department.title.en], responses=problem_responses(409, 423))
        for operation in self._desk.rules.operations:
            router.add_api_route(
                f"/operations/{operation.name}",
                self._operation(operation),
                methods=["POST"],
                name=operation.name,
                operation_id=operation.name,
                summary=operation.summary,
                response_model=DeskAnswer,
            )
        for path, method, name, summary, endpoint in (
            ("/records", "PUT", "replace-record", "Replace a student's whole record", self._replacement()),
            (
                "/records/nothing",
                "POST",
                "nothing-on-record",
                "State that nothing is on record of a student",
                self._nothing(),
            ),
            ("/records/query", "POST", "query-record", "Get a student's record", self._query()),
        ):
            router.add_api_route(
                path,
                endpoint,
                methods=[method],
                operation_id=name,
                summary=summary,
                response_model=DeskAnswer,
                responses=problem_responses(412, 428) if method == "PUT" else None,
            )
        return router

    def _operation(self, operation: Operation[Any, Any]) -> Callable[..., Any]:
        body_type = operation.body
        example_body = Body(openapi_examples=openapi_examples(self._examples.operations.get(operation.name, ())))

        async def route(
            body: Annotated[body_type, example_body],  # type: ignore[valid-type]
            key: KeyHeader,
            response: Response,
            principal: Annotated[Principal, Depends(self._staff)],
            as_of: AsOf = None,
        ) -> DeskAnswer:
            """Changes the student's record and publishes what follows from it, in one transaction.

            A repeated request with the same `Idempotency-Key` gets the same answer and changes nothing. 409 where the
            department's rules do not allow it, with the reason.
            """
            request = f"{operation.name} {body.model_dump_json()}"  # type: ignore[attr-defined]
            if as_of is not None:
                request = f"{request} {as_of.astimezone(UTC).isoformat()}"
            return await self._change(
                response,
                body.student_id,  # type: ignore[attr-defined]
                lambda record: operation.apply(record, body),
                AuditContext(principal.name, f"desk.{operation.name}"),
                self._desk.rules.evidence_of_operation(operation, body),
                as_of,
                IdempotencyKey.of(principal.name, key, request),
                self._desk.rules.claim_of(operation, body),
                remembered(self._desk.rules, operation, body),
            )

        return route

    def _replacement(self) -> Callable[..., Any]:
        record_type = self._desk.rules.record
        body_type = create_model(
            f"{record_type.__name__}Replacement",
            __base__=OperationBody,
            __doc__="A student's whole record, for a department whose own system is the master.",
            record=(record_type, ...),
        )
        bodies = tuple({"student_id": "TS20260001", "record": record} for record in self._examples.records)
        example_body = Body(openapi_examples=openapi_examples(bodies))

        async def route(
            body: Annotated[body_type, example_body],
            response: Response,
            principal: Annotated[Principal, Depends(self._staff)],
            as_of: AsOf = None,
            if_match: IfMatch = None,
        ) -> DeskAnswer:
            """For a department whose own system is the master: what is on record is from now on exactly this."""
            record: Record = body.record  # type: ignore[attr-defined]
            replace = only_if(if_match, lambda _: (record, RECORD_REPLACED()), required=self._require_if_match)
            audit = AuditContext(principal.name, "desk.replace-record")
            return await self._change(response, body.student_id, replace, audit, WHOLE_RECORD, as_of)

        return route

    def _nothing(self) -> Callable[..., Any]:
        rules = self._desk.rules

        def confirm(record: Record) -> tuple[Record, Reason]:
            if record != rules.record():
                raise _not_empty()
            return record, NOTHING_ON_RECORD()

        async def route(
            body: StudentQuery,
            response: Response,
            principal: Annotated[Principal, Depends(self._staff)],
            as_of: AsOf = None,
        ) -> DeskAnswer:
            """Evidence for every check; refused while anything is on record."""
            audit = AuditContext(principal.name, "desk.nothing-on-record")
            return await self._change(response, body.student_id, confirm, audit, WHOLE_RECORD, as_of)

        return route

    def _query(self) -> Callable[..., Any]:
        async def route(
            body: StudentQuery, response: Response, principal: Annotated[Principal, Depends(self._staff)]
        ) -> DeskAnswer:
            """With the checks that follow from it; its `ETag` is what a replacement may rest on. Audited."""
            async with self._desk.pool.acquire() as connection:
                found = await self._desk.read_in(connection, body.student_id)
                await append_look_up(
                    connection,
                    actor=principal.name,
                    act="record.query",
                    students=[body.student_id],
                    version=found.status_version,
                )
            return _answer(response, body.student_id, found)

        return route

    async def _change(
        self,
        response: Response,
        student_id: str,
        operate: Operate[Any],
        audit: AuditContext,
        evidence: ActEvidence,
        as_of: datetime | None,
        key: IdempotencyKey | None = None,
        claim: Claim | None = None,
        remember: Remember[Any] | None = None,
    ) -> DeskAnswer:
        now = datetime.now(UTC)
        require_past(as_of, now)
        with as_problems(self._department):
            result = await change_record(
                self._desk,
                student_id,
                operate,
                now=now,
                key=key,
                audit=audit,
                evidence=evidence,
                as_of=as_of,
                claim=claim,
                remember=remember,
            )
        return _answer(response, student_id, result)


def _not_empty() -> Problem:
    return Problem(
        409,
        "something-on-record",
        title="Something is on record of this student",
        detail="POST /records/query shows it; settle it, or replace the record.",
    )


def _answer(response: Response, student_id: str, result: ChangeResult[Any]) -> DeskAnswer:
    response.headers["ETag"] = etag_of(result.record)
    return desk_answer(student_id, result)


def desk_answer(student_id: str, result: ChangeResult[Any]) -> DeskAnswer:
    return DeskAnswer(
        student_id=student_id,
        applied=result.applied,
        repeated=result.repeated,
        clear=result.assessment.clear,
        standing=result.standing,
        status_version=result.status_version,
        checks=result.assessment.checks,
        record=result.record.model_dump(mode="json"),
    )
