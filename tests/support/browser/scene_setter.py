"""Pages in a state, shown by a real gateway whose read model is filled by hand.

A `SceneSetter` sets each `Scene` up once, for a person of its own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
from playwright.async_api import Page, Response

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway

NOWHERE: Final = "postgresql://nobody@127.0.0.1:9/none"
CLERKS: Final = tuple(Person(sub=f"clerk-{n}", name="纪小满", roles=(CERTIFICATE_DESK,)) for n in range(24))

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
    await migrate(read_model, CLEARANCE_FOLDERS)
    cast = tuple(Person(sub=f"u-{n}", name=f"虚构{n}", student_id=new_student_id()) for n in range(people))
    calm = {"freshness_bound_s": 86_400}
    async with AsyncExitStack() as running:
        gateway = running.enter_context(running_gateway(database, read_model, (*cast, *CLERKS), **calm))
        away = running.enter_context(running_gateway(other, NOWHERE, cast[:20], **calm))
        scenes = SceneSetter(gateway, away)
        running.push_async_callback(scenes.close)
        yield scenes
