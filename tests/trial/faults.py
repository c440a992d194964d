"""What a trial puts in: each is chosen by chance, with where, and nothing that it prints tells them apart."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from schemas.flows import CLEARANCE, GATEWAY
from tests.drill.stage import Stage
from tests.support.kafka.topics import Producer
from tests.trial.slow_database import SlowingProxy

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

    def is_named_by(self, answer: str) -> bool:
        """`slow clearance`, in any order and case."""
        return {self.kind, self.where} <= set(answer.lower().split())


def by_chance(stage: Stage, proxy: SlowingProxy, kinds: tuple[str, ...] = KINDS) -> Fault:
    installation = stage.installation
    department = secrets.choice(sorted(installation.departments))
    kind = secrets.choice(kinds)

    async def freeze() -> None:
        installation.processes[department].pause()

    async def poison() -> None:
        async with Producer(installation.kafka) as producer:
            topic = installation.topics.status(department)
            await producer.send(topic, str(stage.watched.student_id).encode(), b"no event", ())

    if kind == SLOW:
        service = secrets.choice((*sorted(installation.departments), CLEARANCE, GATEWAY))

        async def slow() -> None:
            proxy.slow = installation.database_name(service)

        return Fault(kind, service, slow)
    return Fault(kind, department, freeze if kind == FROZEN else poison)
