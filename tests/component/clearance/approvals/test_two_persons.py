"""Proposals over HTTP and a real database, with an action whose effect is a row of its own."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from deploy.local.installation import new_student_id
from services.clearance.approvals.actions import Action, ActionRefused, Approved, ProposalBody
from services.clearance.approvals.api import approvals_router
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.parts import decisions_of
from services.clearance.roster.roster import Roster
from services.kit.clearance_policy import Approvals, ClearancePolicy
from services.kit.http.app import create_app
from services.kit.messaging.outbox import Wakeup
from services.kit.names import APPROVER, OPERATOR, ROSTER
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import Connection, open_pool
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.samples.roster_students import person
from tests.support.servers.fixtures import DatabaseMaker

ROLES = {
    "clerk-a": [ROSTER, APPROVER],
    "clerk-b": [ROSTER, APPROVER],
    "clerk-c": [ROSTER],
    "operator": [OPERATOR],
}


class StampBody(ProposalBody):
    mark: str


async def _check(_: Connection, body: StampBody) -> None:
    if body.mark == "forbidden":
        raise ActionRefused("no-such-mark", "There is no such mark", remedy="Choose another.", field="/mark")


async def _apply(connection: Connection, approved: Approved[StampBody]) -> None:
    if approved.body.mark == "too-late":
        raise ActionRefused("too-late", "It is too late for this mark")
    await connection.execute(
        "INSERT INTO stamped VALUES ($1, $2, $3, $4)",
        approved.body.student_id,
        approved.body.mark,
        approved.proposed_by,
        approved.confirmed_by,
    )


STAMP = Action(
    name="stamp",
    summary="stamp a student",
    body=StampBody,
    proposes=ROSTER,
    confirms=APPROVER,
    apply=_apply,
    check=_check,
    examples=({"student_id": "TS20260001", "reason": "试用", "mark": "blue"},),
)


class Room:
    def __init__(self, pool: "asyncpg.Pool[Any]", http: httpx.AsyncClient) -> None:
        self.pool, self.http = pool, http

    async def ask(self, who: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who:x<20}", **options.pop("headers", {})}
        return await self.http.request(method, f"/approvals{path}", headers=headers, **options)

    async def propose(self, who: str, student_id: str, mark: str = "blue", key: str = "") -> httpx.Response:
        body = {"student_id": student_id, "reason": "材料齐全", "mark": mark}
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        return await self.ask(who, "POST", "/propose/stamp", json=body, headers=headers)

    async def student(self) -> str:
        roster = Roster(topic="case", served=ClearancePolicy().served, zone=ZoneInfo("Asia/Shanghai"))
        student = person(new_student_id())
        async with self.pool.acquire() as connection, connection.transaction():
            await roster.put(connection, student, now=datetime.now(UTC))
        return student.student_id

    async def stamps(self, student_id: str) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch("SELECT * FROM stamped WHERE student_id = $1", student_id)
        return [(row["mark"], row["proposed_by"], row["confirmed_by"]) for row in rows]

    async def audited(self, student_id: str) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch(
            "SELECT actor, act, outcome FROM audit.entry WHERE student_id = $1 ORDER BY entry_id", student_id
        )
        return [(row["actor"], row["act"], row["outcome"]) for row in rows]


@asynccontextmanager
async def approval_room(database: str, one_person: Iterable[str] = ()) -> AsyncIterator[Room]:
    await migrate(database, CLEARANCE_FOLDERS)
    pool = await open_pool(database, name="test")
    await pool.execute(
        "CREATE TABLE IF NOT EXISTS stamped (student_id text, mark text, proposed_by text, confirmed_by text)"
    )
    policy = ClearancePolicy(approvals=Approvals(one_person=frozenset(one_person)))
    router = approvals_router(decisions_of(policy, [STAMP]), pool, Wakeup())
    app = create_app(
        title="approvals",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=[router],
        telemetry=None,
    )
    app.state.credentials = credentials(**{name: (f"{name:x<20}", roles) for name, roles in ROLES.items()})
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clearance") as http:
            yield Room(pool, http)
    finally:
        await pool.close()


@pytest.fixture(scope="module")
async def dsn(make_database: DatabaseMaker) -> str:
    return await make_database("approvals")


@pytest.fixture(scope="module")
async def room(dsn: str) -> AsyncIterator[Room]:
    async with approval_room(dsn) as made:
        yield made


async def test_a_proposal_takes_effect_when_another_person_confirms_it(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-a", who)).json()
    assert (made["state"], made["persons"], made["body"]) == ("open", 2, {"mark": "blue"})
    assert await room.stamps(who) == []
    confirmed = await room.ask("clerk-b", "POST", f"/{made['proposal_id']}/confirm")
    assert (confirmed.status_code, confirmed.json()["state"], confirmed.json()["ended_by"]) == (
        200,
        "confirmed",
        "clerk-b",
    )
    assert await room.stamps(who) == [("blue", "clerk-a", "clerk-b")]
    assert await room.audited(who) == [
        ("clerk-a", "approval.propose", "open"),
        ("clerk-b", "approval.confirm", "confirmed"),
    ]


async def test_the_proposer_neither_confirms_nor_rejects(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-a", who)).json()["proposal_id"]
    for path, options in ((f"/{made}/confirm", {}), (f"/{made}/reject", {"json": {"why": "mine"}})):
        refused = await room.ask("clerk-a", "POST", path, **options)
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:lixiao:problem:own-proposal"
    assert await room.stamps(who) == []
    with pytest.raises(asyncpg.CheckViolationError):
        await room.pool.execute(
            "UPDATE proposal SET state = 'confirmed', ended_by = proposed_by, ended_at = now() WHERE proposal_id = $1",
            made,
        )


async def test_a_rejected_proposal_has_a_reason_and_no_effect(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-a", who)).json()["proposal_id"]
    rejected = await room.ask("clerk-b", "POST", f"/{made}/reject", json={"why": "证明材料不全"})
    assert (rejected.json()["state"], rejected.json()["ended_why"]) == ("rejected", "证明材料不全")
    late = await room.ask("clerk-b", "POST", f"/{made}/confirm")
    assert (late.status_code, late.json()["type"], late.json()["state"]) == (
        409,
        "urn:lixiao:problem:proposal-ended",
        "rejected",
    )
    assert await room.stamps(who) == []


async def test_repeating_proposal_and_confirmation_changes_nothing(room: Room) -> None:
    who = await room.student()
    first = await room.propose("clerk-a", who, key="key-repeated")
    assert (await room.propose("clerk-a", who, key="key-repeated")).json() == first.json()
    other = await room.propose("clerk-a", who, "green", key="key-repeated")
    assert (other.status_code, other.json()["type"]) == (422, "urn:lixiao:problem:idempotency-key-reused")
    another = await room.propose("clerk-a", await room.student(), key="key-repeated")
    assert another.status_code == 422
    path = f"/{first.json()['proposal_id']}/confirm"
    answers = await asyncio.gather(*[room.ask("clerk-b", "POST", path) for _ in range(8)])
    assert {answer.status_code for answer in answers} == {200}
    assert await room.stamps(who) == [("blue", "clerk-a", "clerk-b")]


async def test_confirmation_and_rejection_race_for_one_end(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-c", who)).json()["proposal_id"]
    answers = await asyncio.gather(
        room.ask("clerk-a", "POST", f"/{made}/confirm"),
        room.ask("clerk-b", "POST", f"/{made}/reject", json={"why": "unclear"}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await room.stamps(who)) == (1 if answers[0].status_code == 200 else 0)


async def test_an_expired_proposal_cannot_be_confirmed(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-a", who)).json()["proposal_id"]
    await room.pool.execute(
        "UPDATE proposal SET proposed_at = now() - interval '8 days', expires_at = now() - interval '1 s'"
        " WHERE proposal_id = $1",
        made,
    )
    late = await room.ask("clerk-b", "POST", f"/{made}/confirm")
    assert (late.status_code, late.json()["state"]) == (409, "expired")
    listed = (await room.ask("clerk-b", "GET", "?state=expired")).json()["proposals"]
    assert [each["proposal_id"] for each in listed] == [made]
    still_open = (await room.ask("clerk-b", "GET", "?limit=200")).json()["proposals"]
    assert made not in [each["proposal_id"] for each in still_open]


async def test_one_person_decides_where_the_university_says_so(dsn: str) -> None:
    async with approval_room(dsn, ["stamp"]) as room:
        who = await room.student()
        made = (await room.propose("clerk-a", who)).json()
        assert (made["state"], made["persons"], made["ended_by"]) == ("confirmed", 1, "clerk-a")
        assert await room.stamps(who) == [("blue", "clerk-a", "clerk-a")]


async def test_what_an_action_refuses_is_a_problem_and_changes_nothing(room: Room) -> None:
    who = await room.student()
    refused = await room.propose("clerk-a", who, "forbidden")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "/mark")
    made = (await room.propose("clerk-a", who, "too-late")).json()["proposal_id"]
    late = await room.ask("clerk-b", "POST", f"/{made}/confirm")
    assert (late.status_code, late.json()["type"]) == (409, "urn:lixiao:problem:too-late")
    assert (await room.ask("clerk-b", "GET", f"/{made}")).json()["state"] == "open"
    unknown = await room.propose("clerk-a", "TS00000000")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:lixiao:problem:unknown-student")


async def test_roles_decide_who_proposes_confirms_and_reads(room: Room) -> None:
    who = await room.student()
    made = (await room.propose("clerk-a", who)).json()["proposal_id"]
    assert (await room.propose("operator", who)).status_code == 403
    assert (await room.ask("clerk-c", "POST", f"/{made}/confirm")).status_code == 403
    assert (await room.ask("operator", "GET", "")).status_code == 403
    assert (await room.ask("clerk-c", "GET", f"/{made}")).status_code == 200
    assert (await room.ask("clerk-b", "POST", "/999999/confirm")).status_code == 404


async def test_proposals_are_listed_page_by_page(room: Room) -> None:
    who = await room.student()
    made = [(await room.propose("clerk-a", who, f"m{n}")).json()["proposal_id"] for n in range(5)]
    found: list[int] = []
    after: int | None = made[0] - 1
    while after is not None:
        page = (await room.ask("clerk-b", "GET", f"?limit=2&after={after}")).json()
        found += [each["proposal_id"] for each in page["proposals"]]
        after = page["next_after"]
    assert found == made
    mine = await room.ask("clerk-b", "POST", "/query", json={"student_id": who})
    assert [each["proposal_id"] for each in mine.json()["proposals"]] == made


async def test_an_ended_proposal_is_never_changed_and_none_is_deleted(room: Room) -> None:
    made = (await room.propose("clerk-a", await room.student())).json()["proposal_id"]
    await room.ask("clerk-b", "POST", f"/{made}/confirm")
    for statement in ("UPDATE proposal SET reason = 'other'", "DELETE FROM proposal"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await room.pool.execute(f"{statement} WHERE proposal_id = $1", made)
