"""What a trial puts in: each is chosen by chance, with where, and nothing that it prints tells them apart."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from schemas.flows import CLEARANCE, GATEWAY
from tests.drill.stage import Stage
from tests.support.kafka.topics import Producer
from tests.support.servers.slow_database import SlowingProxy

FROZEN: Final = "frozen"
POISON: Final = "poison"
SLOW: Final = "slow"
KINDS: Final = (FROZEN, POISON, SLOW)
"""A department that hangs; a record of a department that nobody can read; a service's database that answers slowly."""


@dataclass(frozen=True)
class Fault:
    """`where`: the department, or the service whose database it is."""

    kind: str
    where: str
    put_in: Callable[[], Awaitable[None]]
    mend: Callable[[], Awaitable[None]]

    def is_named_by(self, answer: str) -> bool:
        """`slow clearance`, in any order and case."""
        return {self.kind, self.where} <= set(answer.lower().split())


def in_some_order(count: int) -> list[str]:
    """Kinds: each once before one comes again, and what follows the last first one is no more likely than another."""
    chosen = [*KINDS, *(secrets.choice(KINDS) for _ in range(count))][:count]
    secrets.SystemRandom().shuffle(chosen)
    return chosen


def somewhere(kind: str, stage: Stage, proxy: SlowingProxy) -> Fault:
    departments = sorted(stage.installation.departments)
    if kind == SLOW:
        return _slow(secrets.choice((*departments, CLEARANCE, GATEWAY)), stage, proxy)
    department = secrets.choice(departments)
    return _frozen(department, stage) if kind == FROZEN else _poison(department, stage)


def _frozen(department: str, stage: Stage) -> Fault:
    process = stage.installation.processes[department]

    async def freeze() -> None:
        process.pause()

    async def thaw() -> None:
        process.resume()

    return Fault(FROZEN, department, freeze, thaw)


def _poison(department: str, stage: Stage) -> Fault:
    installation = stage.installation

    async def send() -> None:
        async with Producer(installation.kafka) as producer:
            topic = installation.topics.status(department)
            await producer.send(topic, str(stage.watched.student_id).encode(), b"no event", ())

    async def discard() -> None:
        for row in await (await installation.database(CLEARANCE)).fetch("SELECT id FROM dead_letter"):
            words = ("dead-letters", "discard", str(row["id"]), "--why", "a trial")
            await asyncio.to_thread(installation.command, CLEARANCE, *words)

    return Fault(POISON, department, send, discard)


def _slow(service: str, stage: Stage, proxy: SlowingProxy) -> Fault:
    async def slow() -> None:
        proxy.slow = stage.installation.database_name(service)

    async def hasten() -> None:
        proxy.slow = ""

    return Fault(SLOW, service, slow, hasten)
