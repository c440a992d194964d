"""How often each measurement is repeated when nobody says, and about how long it takes: half an hour for all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds on two cores that do nothing else: `start_s` once, `round_s` each round."""

    rounds: int = 3
    start_s: float = 30.0
    round_s: float = 20.0

    def takes_s(self, rounds: int | None = None) -> float:
        return self.start_s + self.round_s * (rounds or self.rounds)


PLANS: Final[Mapping[str, Plan]] = {
    "latency": Plan(3, 30, 35),
    "relay": Plan(3, 15, 8),
    "gateway": Plan(3, 60, 25),
    "projector": Plan(3, 30, 40),
    "rebuild": Plan(3, 30, 15),
    "peers": Plan(2, 45, 110),
    "cohorts": Plan(1, 180, 120),
    "submit": Plan(1, 30, 120),
    "live": Plan(2, 60, 30),
    "lists": Plan(1, 40, 60),
    "imports": Plan(3, 20, 15),
    "idle": Plan(2, 90, 60),
}


def plan_of(name: str) -> Plan:
    return PLANS.get(name, Plan())


def minutes(names: Iterable[str], rounds: int | None = None) -> float:
    """All of them on a quiet machine, with `rounds` of each instead of its own."""
    return sum(plan_of(name).takes_s(rounds) for name in names) / 60
