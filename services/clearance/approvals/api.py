"""Two persons decide: one proposes, another confirms or rejects. Student ids are in bodies only."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import StudentId
from services.clearance.approvals import proposal_store
from services.clearance.approvals.actions import Action
from services.clearance.approvals.decisions import Decisions
from services.clearance.approvals.problems import lacks_role, problem_of
from services.clearance.approvals.proposal_store import Proposal, ProposalState
from services.clearance.notify import notify
from services.kit.audit.log import append_look_up
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.http.requests.examples import openapi_examples
from services.kit.http.requests.idempotency import IdempotencyKey, KeyHeader
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import StudentQuery
from services.kit.postgres.pool import Connection
from services.kit.rules.fields import Line

ProposalId = Annotated[int, Path(ge=1, le=2**63 - 1)]
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=proposal_store.MAX_PAGE)]


class ProposalAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    proposal_id: int
    action: str
    student_id: StudentId
    body: dict[str, Any] = Field(description="The action's own fields.")
    reason: str
    persons: Literal[1, 2] = Field(description="How many persons decide; of one it took effect when it was made.")
    state: ProposalState
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    ended_by: str | None = Field(description="Who confirmed or rejected it.")
    ended_at: datetime | None
    ended_why: str | None = Field(description="Why it was rejected.")


class ProposalPage(BaseModel):
    """`next_after` is the `after` of the next page, null on the last."""

    proposals: list[ProposalAnswer]
    next_after: int | None


class Rejection(BaseModel):
    model_config = ConfigDict(
        extra="forbid", hide_input_in_errors=True, json_schema_extra={"examples": [{"why": "证明材料不全"}]}
    )

    why: Line


def approvals_router(decisions: Decisions, pool: "asyncpg.Pool[Any]", wakeup: Wakeup) -> APIRouter:
    """Each action's roles propose and confirm it; both may read its proposals."""
    return _ApprovalRoutes(decisions, pool, wakeup).router()


class _ApprovalRoutes:
    def __init__(self, decisions: Decisions, pool: "asyncpg.Pool[Any]", wakeup: Wakeup) -> None:
        self._decisions = decisions
        self._pool = pool
        self._wakeup = wakeup
        roles = {role for action in decisions.actions.values() for role in (action.proposes, action.confirms)}
        self._anyone = require(*sorted(roles))
        self._deciding = require(*sorted({action.confirms for action in decisions.actions.values()}))

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix="/approvals", tags=["approvals"], responses=problem_responses(401, 403, 404, 409, 422, 503)
        )
        for path, method, name, summary, endpoint in (
            ("", "GET", "list-proposals", "List proposals", self._list()),
            ("/query", "POST", "query-proposals", "List a student's proposals", self._query()),
            ("/{proposal_id}", "GET", "read-proposal", "Read a proposal", self._read()),
            ("/{proposal_id}/confirm", "POST", "confirm-proposal", "Confirm a proposal", self._confirm()),
            ("/{proposal_id}/reject", "POST", "reject-proposal", "Reject a proposal", self._reject()),
        ):
            router.add_api_route(path, endpoint, methods=[method], operation_id=name, summary=summary)
        for action in self._decisions.actions.values():
            router.add_api_route(
                f"/propose/{action.name}",
                self._propose(action),
                methods=["POST"],
                operation_id=f"propose-{action.name}",
                summary=f"Propose: {action.summary}",
                response_model=ProposalAnswer,
            )
        return router

    def _propose(self, action: Action[Any]) -> Callable[..., Any]:
        body_type = action.body
        example_body = Body(openapi_examples=openapi_examples(action.examples))

        async def route(
            body: Annotated[body_type, example_body],  # type: ignore[valid-type]
            key: KeyHeader,
            principal: Annotated[Principal, Depends(require(action.proposes))],
        ) -> ProposalAnswer:
            """It waits for another person, unless the university has one person decide: then it takes effect at once.

            A repeated request with the same `Idempotency-Key` is the same proposal.
            """
            request = f"{action.name} {body.model_dump_json()}"  # type: ignore[attr-defined]
            idempotency = IdempotencyKey.of(principal.name, key, request)
            return await self._change(lambda connection: self._decisions.propose(connection, action, body, idempotency))

        return route

    def _list(self) -> Callable[..., Any]:
        async def route(
            principal: Annotated[Principal, Depends(self._anyone)],
            state: ProposalState | None = ProposalState.OPEN,
            after: After = 0,
            limit: Limit = 50,
        ) -> ProposalPage:
            """Those of the actions that the caller proposes or confirms, oldest first."""
            return await self._page(principal, state=state, after=after, limit=limit)

        return route

    def _query(self) -> Callable[..., Any]:
        async def route(
            body: StudentQuery,
            principal: Annotated[Principal, Depends(self._anyone)],
            after: After = 0,
            limit: Limit = 50,
        ) -> ProposalPage:
            """In every state, oldest first."""
            return await self._page(principal, student_id=body.student_id, after=after, limit=limit)

        return route

    def _read(self) -> Callable[..., Any]:
        async def route(
            proposal_id: ProposalId, principal: Annotated[Principal, Depends(self._anyone)]
        ) -> ProposalAnswer:
            """With what it would do, who made it, and how it ended."""
            async with self._problems(), self._pool.acquire() as connection:
                proposal = await self._decisions.find(connection, proposal_id)
                await _look_up(connection, principal, [proposal.student_id])
            if proposal.action not in self._visible(principal):
                raise lacks_role(self._decisions.actions[proposal.action].confirms)
            return _answer(proposal)

        return route

    def _confirm(self) -> Callable[..., Any]:
        async def route(
            proposal_id: ProposalId, principal: Annotated[Principal, Depends(self._deciding)]
        ) -> ProposalAnswer:
            """It takes effect at once. Who proposed it may not confirm it."""

            async def confirm(connection: Connection) -> Proposal:
                await self._check_decides(connection, proposal_id, principal)
                return await self._decisions.confirm(connection, proposal_id, by=principal.name)

            return await self._change(confirm)

        return route

    def _reject(self) -> Callable[..., Any]:
        async def route(
            proposal_id: ProposalId, body: Rejection, principal: Annotated[Principal, Depends(self._deciding)]
        ) -> ProposalAnswer:
            """It ends without effect; why is kept."""

            async def reject(connection: Connection) -> Proposal:
                await self._check_decides(connection, proposal_id, principal)
                return await self._decisions.reject(connection, proposal_id, by=principal.name, why=body.why)

            return await self._change(reject)

        return route

    async def _change(self, change: Callable[[Connection], Awaitable[Proposal]]) -> ProposalAnswer:
        async with self._problems(), self._pool.acquire() as connection, connection.transaction():
            proposal = await change(connection)
            await notify(connection)
        self._wakeup.notify()
        return _answer(proposal)

    async def _page(
        self,
        principal: Principal,
        *,
        after: int,
        limit: int,
        state: ProposalState | None = None,
        student_id: str | None = None,
    ) -> ProposalPage:
        async with self._pool.acquire() as connection:
            proposals, following = await proposal_store.page(
                connection, self._visible(principal), state=state, student_id=student_id, after=after, limit=limit
            )
            found = [student_id] if student_id else sorted({proposal.student_id for proposal in proposals})
            await _look_up(connection, principal, found)
        return ProposalPage(proposals=[_answer(proposal) for proposal in proposals], next_after=following)

    def _visible(self, principal: Principal) -> list[str]:
        actions = self._decisions.actions.values()
        return [action.name for action in actions if principal.roles & {action.proposes, action.confirms}]

    async def _check_decides(self, connection: Connection, proposal_id: int, principal: Principal) -> None:
        proposal = await self._decisions.find(connection, proposal_id)
        role = self._decisions.actions[proposal.action].confirms
        if role not in principal.roles:
            raise lacks_role(role)

    @asynccontextmanager
    async def _problems(self) -> AsyncIterator[None]:
        try:
            yield
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            raise problem from None


async def _look_up(connection: Connection, principal: Principal, students: list[str]) -> None:
    await append_look_up(connection, actor=principal.name, act="proposal.query", students=students)


def _answer(proposal: Proposal) -> ProposalAnswer:
    return ProposalAnswer.model_validate(proposal)
