"""The services at a glance: each asked at once, none waited for that is away."""

import asyncio
from dataclasses import dataclass
from typing import Final

from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.gateway.staff.operating.answers import Finding, Health
from services.gateway.staff.operating.client import OperatedService, OperatedServices

_LAG: Final = "lixiao_consumer_lag"
_OUTBOX: Final = "lixiao_outbox_depth"
_QUESTIONS: Final = "lixiao_open_questions"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """None: not known. `more`: the dead letters are more than a page."""

    name: str
    health: Health | None = None
    lag: int | None = None
    unsent: int | None = None
    questions: int | None = None
    dead_letters: int | None = None
    more: bool = False

    @property
    def state(self) -> str:
        if self.health is None:
            return "away"
        if self.health.failing:
            return "unwell"
        return "warned" if self.health.warnings else "ok"


async def states_of(services: OperatedServices, person: str) -> tuple[ServiceState, ...]:
    return tuple(await asyncio.gather(*(_state(one, person) for one in services.services)))


async def _state(service: OperatedService, person: str) -> ServiceState:
    try:
        health, gauges = await asyncio.gather(service.health(), service.gauges(_LAG, _OUTBOX, _QUESTIONS))
    except DeskUnavailable:
        return ServiceState(service.name)
    known = {name: int(value) for name, value in gauges.items()}
    try:
        letters = await service.dead_letters(person)
    except (DeskUnavailable, DeskRefused):
        letters = None
    return ServiceState(
        service.name,
        health,
        lag=known.get(_LAG),
        unsent=known.get(_OUTBOX),
        questions=known.get(_QUESTIONS),
        dead_letters=None if letters is None else len(letters.dead_letters),
        more=letters is not None and letters.next_after is not None,
    )


async def differing(clearance: OperatedService | None, person: str) -> tuple[Finding, ...] | None:
    """Partitions in which the view differs from its department; None while that is not known."""
    if clearance is None:
        return None
    try:
        return tuple(one for one in await clearance.comparisons(person) if one.differing)
    except (DeskUnavailable, DeskRefused):
        return None
