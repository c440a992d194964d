"""Every page and state a student can meet, on a real gateway whose read model is filled by hand.

A `Scene` is one of them; a `Stage` sets each up for a person of its own, once. Journeys, where departments really act,
are in `test_journey.py`; here it matters what is shown.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from playwright.async_api import Page, Response

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import CommandAnswered, CommandOutcome, Reason
from services.clearance.app import FOLDERS
from services.gateway.read_model.types import ReceivedStatus
from services.gateway.tables.commands import end_answered
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.samples import case_samples

NOWHERE: Final = "postgresql://nobody@127.0.0.1:9/none"
RARE: Final = "欧阳䶮㛃𠮷𬭚"
"""A name whose characters lie outside of what old fonts and old databases hold."""
CLERKS: Final = tuple(Person(sub=f"clerk-{n}", name="纪小满", roles=(CERTIFICATE_DESK,)) for n in range(20))
ARREARS: Final = Reason(code="arrears", parameters={"count": 3, "total": "682.40"})

DatabaseMaker = Callable[[str], Awaitable[str]]
Preparation = Callable[["SceneSetter", "Visitor"], Awaitable[None]]
Act = Callable[["SceneSetter", Page], Awaitable[None]]


@dataclass(frozen=True)
class Visitor:
    """A person signed in at `gateway` with these cookies, and the HTTP client that did it."""

    gateway: RunningGateway
    student_id: str
    http: BrowserClient

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self.http.cookies)


@dataclass(frozen=True)
class Scene:
    """A page in one state. `away` shows it at the gateway that can read nothing, `clerk` to a clerk of the desk.

    `act` is what is done on the page before it is looked at.
    """

    name: str
    address: str
    prepare: Preparation | None
    status: int = 200
    away: bool = False
    clerk: bool = False
    act: Act | None = None

    def __str__(self) -> str:
        return self.name


class SceneSetter:
    """Two gateways, one of which has lost its read model, and the clearance's tables to write into."""

    def __init__(self, gateway: RunningGateway, away: RunningGateway) -> None:
        self.gateway, self.away = gateway, away
        self.clearance = ReadModelWriter(gateway.read_model)
        students = [person for person in gateway.people if person.student_id]
        self._free = {gateway.address: iter(students), away.address: iter(away.people)}
        self._clerks = iter(CLERKS)
        self._actors: dict[str, Visitor | None] = {}
        self._extras: list[Visitor] = []

    async def actor(self, *, away: bool = False, clerk: bool = False) -> Visitor:
        """Somebody new who has signed in and of whom nothing is known yet: a student, or a clerk."""
        gateway = self.away if away else self.gateway
        person = next(self._clerks if clerk else self._free[gateway.address])
        http = BrowserClient(gateway)
        answer = await http.sign_in(person)
        assert answer.status_code == 303, answer.text
        actor = Visitor(gateway, person.student_id or "", http)
        self._extras.append(actor)
        return actor

    async def play(self, scene: Scene) -> Visitor | None:
        """The person of a scene, set up the first time it is asked for; None where nobody is signed in."""
        if scene.name not in self._actors:
            actor = await self.actor(away=scene.away, clerk=scene.clerk) if scene.prepare else None
            if actor is not None and scene.prepare is not None:
                await scene.prepare(self, actor)
            self._actors[scene.name] = actor
        return self._actors[scene.name]

    def address(self, scene: Scene) -> str:
        return (self.away if scene.away else self.gateway).address

    async def show(self, scene: Scene, page: Page) -> None:
        """Open the scene's page in a browser that has the scene's cookies, and do what it asks."""
        answer: Response | None = await page.goto(scene.address)
        assert answer is not None
        assert answer.status == scene.status, f"{scene}: {answer.status}"
        if scene.act is not None:
            await scene.act(self, page)

    async def ask(self, actor: Visitor, address: str, **fields: str) -> None:
        """Send a form as the person does."""
        answer = await actor.http.post(address, {"csrf": await actor.http.csrf(), **fields})
        assert answer.status_code == 303, answer.text

    async def command(self, actor: Visitor) -> UUID:
        """The id of the person's newest command."""
        statement = "SELECT command_id FROM command WHERE student_id = $1 ORDER BY asked_at DESC LIMIT 1"
        async with connected(actor.gateway.database) as connection:
            return UUID(str(await connection.fetchval(statement, actor.student_id)))

    async def close(self) -> None:
        for actor in self._extras:
            await actor.http.close()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def scene_setter(make_database: DatabaseMaker, people: int = 240) -> AsyncIterator[SceneSetter]:
    """Two gateways and their people for the length of a `with`."""
    database, other, read_model = [await make_database(name) for name in ("gateway", "gateway", "clearance")]
    await migrate(read_model, FOLDERS)
    cast = tuple(Person(sub=f"u-{n}", name=f"虚构{n}", student_id=new_student_id()) for n in range(people))
    calm = {"freshness_bound_s": 86_400}
    async with AsyncExitStack() as running:
        gateway = running.enter_context(running_gateway(database, read_model, (*cast, *CLERKS), **calm))
        away = running.enter_context(running_gateway(other, NOWHERE, cast[:20], **calm))
        scenes = SceneSetter(gateway, away)
        running.push_async_callback(scenes.close)
        yield scenes


async def nothing(scenes: SceneSetter, actor: Visitor) -> None:
    """Signed in, and no more."""


async def favourite(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.ask(actor, "/favourite", kept="yes", back="/")


async def waiting(scenes: SceneSetter, actor: Visitor) -> None:
    """On the roster since a moment ago: no department has spoken."""
    await scenes.clearance.put_case(actor.student_id)


async def without_data(scenes: SceneSetter, actor: Visitor) -> None:
    """The roster came first: every department says that it does not know the person yet."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.without_data().statuses, cause="case-opened")


async def in_question(scenes: SceneSetter, actor: Visitor) -> None:
    """One department is late, and one refused a row about the person."""
    await scenes.clearance.put_case(actor.student_id)
    late = case_samples.without_data().statuses["archives"]
    await say(scenes, actor, case_samples.in_question().statuses, cause="question-opened")
    await say(scenes, actor, {"archives": late}, version=4, cause="case-opened")


async def blocked(scenes: SceneSetter, actor: Visitor) -> None:
    """Something to do at every department but one that has not spoken."""
    await scenes.clearance.put_case(actor.student_id, name=RARE)
    await say(scenes, actor, {name: one for name, one in case_samples.blocked().statuses.items() if name != "archives"})


async def nearly(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.nearly().statuses)


async def waived(scenes: SceneSetter, actor: Visitor) -> None:
    """One check the person does not need, one that is released; the rest is clear."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.waived().statuses)
    for waiver in case_samples.waived().waivers.exemptions:
        await scenes.clearance.exempt(actor.student_id, waiver)


async def completed_with_waivers(scenes: SceneSetter, actor: Visitor) -> None:
    waivers = case_samples.waived().waivers.exemptions
    await scenes.clearance.accept_signed(actor.student_id, name=RARE, waivers=waivers)
    await say(scenes, actor, case_samples.waived().statuses)


async def card_open(scenes: SceneSetter, actor: Visitor) -> None:
    """Only the library card is in the way."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.card_open().statuses)


async def card_asked(scenes: SceneSetter, actor: Visitor) -> None:
    await card_open(scenes, actor)
    await scenes.ask(actor, "/case/library/cancel-card")


async def card_refused(scenes: SceneSetter, actor: Visitor) -> None:
    await card_asked(scenes, actor)
    answer = CommandAnswered(
        command_id=await scenes.command(actor),
        student_id=actor.student_id,
        department="library",
        outcome=CommandOutcome.REFUSED,
        reasons=(Reason(code="books-not-returned", parameters={"count": 1}),),
        answered_at=datetime.now(UTC),
    )
    async with connected(actor.gateway.database) as connection, connection.transaction():
        await end_answered(connection, answer)


async def clear(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id)
    await scenes.clearance.all_clear(actor.student_id)


async def asked(scenes: SceneSetter, actor: Visitor) -> None:
    """Submitted; two departments have answered."""
    await clear(scenes, actor)
    await scenes.ask(actor, "/submit")
    await _attempt(scenes, actor, "open", answered=("library", "dorm"))


async def objected(scenes: SceneSetter, actor: Visitor) -> None:
    """Submitted, and the finance office said no: the last one came from its newest record."""
    await blocked(scenes, actor)
    await scenes.clearance.all_clear(actor.student_id)
    await scenes.ask(actor, "/submit")
    await say(scenes, actor, {"finance": case_samples.blocked().statuses["finance"]}, version=5)
    await _attempt(scenes, actor, "refused", objections={"finance": [ARREARS.model_dump(mode="json")]})


async def completed(scenes: SceneSetter, actor: Visitor) -> None:
    """Accepted, signed, and every department's word as it was."""
    await scenes.clearance.accept_signed(actor.student_id, name=RARE)
    await say(scenes, actor, case_samples.clear().statuses)


async def not_served(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id, state="not-served", category="结业")


async def say(
    scenes: SceneSetter,
    actor: Visitor,
    heard: Mapping[str, ReceivedStatus],
    version: int = 3,
    *,
    cause: str = "record-replaced",
) -> None:
    """Departments' words on the person, as the samples have them."""
    for department, one in heard.items():
        text = one.status.model_dump_json().replace(one.status.student_id, actor.student_id)
        checks = json.loads(text)["checks"]
        await scenes.clearance.put_status(actor.student_id, department, checks, version, cause=cause)


async def _attempt(
    scenes: SceneSetter, actor: Visitor, state: str, *, answered: tuple[str, ...] = (), objections: Any = None
) -> None:
    attempt_id = await scenes.command(actor)
    async with connected(scenes.gateway.read_model) as connection, connection.transaction():
        await connection.execute(
            """
            INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause,
                                 objections)
            VALUES ($1, $2, $3, '{archives,dorm,finance,library}', now(), now() + interval '1 h',
                    CASE WHEN $3 = 'open' THEN NULL ELSE now() END, 'objected', $4)
            """,
            attempt_id,
            actor.student_id,
            state,
            json.dumps(objections or {}),
        )
        for department in answered:
            await connection.execute(
                "INSERT INTO answer (attempt_id, department, outcome, said) VALUES ($1, $2, 'clear', '{}')",
                attempt_id,
                department,
            )


async def verified(scenes: SceneSetter, page: Page) -> None:
    """Somebody asks whether a form is genuine."""
    form = await scenes.clearance.accept_signed(new_student_id())
    await page.locator("#form_number").fill(form.form_number)
    await page.locator("#code").fill(form.code)
    await _enter(page)


async def not_verified(scenes: SceneSetter, page: Page) -> None:
    await page.locator("#form_number").fill("2026-00000-00000-0")
    await page.locator("#code").fill("00000000")
    await _enter(page)


async def scanned(scenes: SceneSetter, page: Page) -> None:
    """A clerk scans a form."""
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await page.locator("#form").fill(form.qr_text)
    await _enter(page)


async def scanned_with_waivers(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id(), waivers=case_samples.waived().waivers.exemptions)
    await page.locator("#form").fill(form.qr_text)
    await _enter(page)


async def scanned_after_a_debt(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id(), name=RARE)
    await scenes.clearance.open_exception(form.student_id, "finance", ARREARS)
    await page.locator("#form").fill(form.qr_text)
    await _enter(page)


async def scanned_forgery(scenes: SceneSetter, page: Page) -> None:
    form = await scenes.clearance.accept_signed(new_student_id())
    await page.locator("#form").fill(form.qr_text[:-1] + ("B" if form.qr_text.endswith("A") else "A"))
    await _enter(page)


async def _enter(page: Page) -> None:
    await page.keyboard.press("Enter")
    await page.locator(".checked-verdict").wait_for()


SCENES: Final = (
    Scene("guide", "/", None),
    Scene("guide-kept", "/", favourite),
    Scene("sign-in-failed", "/sign-in/callback", None, 400),
    Scene("signed-out", "/signed-out", None),
    Scene("case-waiting", "/case", waiting),
    Scene("case-no-data", "/case", without_data),
    Scene("case-in-question", "/case", in_question),
    Scene("case-blocked", "/case", blocked),
    Scene("case-nearly", "/case", nearly),
    Scene("case-waived", "/case", waived),
    Scene("case-card", "/case", card_open),
    Scene("card-confirm", "/case/library/cancel-card", card_open),
    Scene("case-card-asked", "/case", card_asked),
    Scene("case-card-refused", "/case", card_refused),
    Scene("case-clear", "/case", clear),
    Scene("submit-confirm", "/submit", clear),
    Scene("submit-refused", "/submit", blocked, 409),
    Scene("case-asked", "/case", asked),
    Scene("case-objected", "/case", objected),
    Scene("case-done", "/case", completed),
    Scene("completed-waived", "/completed", completed_with_waivers),
    Scene("me", "/me", completed),
    Scene("me-empty", "/me", nothing),
    Scene("completed", "/completed", completed),
    Scene("completed-none", "/completed", nearly),
    Scene("not-served", "/case", not_served),
    Scene("not-on-roster", "/case", nothing),
    Scene("case-away", "/case", nothing, 503, away=True),
    Scene("no-such-page", "/no-such-page", None, 404),
    Scene("verify", "/verify", None),
    Scene("verify-genuine", "/verify", None, act=verified),
    Scene("verify-not-genuine", "/verify", None, act=not_verified),
    Scene("desk", "/desk", nothing, clerk=True),
    Scene("desk-genuine", "/desk", nothing, clerk=True, act=scanned),
    Scene("desk-waived", "/desk", nothing, clerk=True, act=scanned_with_waivers),
    Scene("desk-new-debt", "/desk", nothing, clerk=True, act=scanned_after_a_debt),
    Scene("desk-forgery", "/desk", nothing, clerk=True, act=scanned_forgery),
)
BY_NAME: Final = {scene.name: scene for scene in SCENES}
