"""Liveness and readiness by named probes.

Liveness fails only where a restart helps; ready: every dependency answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

Probe = Callable[[], Awaitable[str | None]]
"""None when healthy, else the reason: public, no personal data."""

_BOUND_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Probe → reason, or None."""

    checks: dict[str, str | None]

    @property
    def well(self) -> bool:
        return all(wrong is None for wrong in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        checks = {name: {"ok": wrong is None, "detail": wrong} for name, wrong in self.checks.items()}
        return {"status": "ok" if self.well else "unwell", "checks": checks}


@dataclass(frozen=True, slots=True)
class _Named:
    probe: Probe
    live: bool


class Health:
    def __init__(self, *, bound_s: float = _BOUND_S) -> None:
        self._bound_s = bound_s
        self._probes: dict[str, _Named] = {}

    def add(self, name: str, probe: Probe, *, live: bool = False) -> None:
        """Replaces one of the same name."""
        self._probes[name] = _Named(probe, live)

    def remove(self, name: str) -> None:
        self._probes.pop(name, None)

    async def live(self) -> HealthReport:
        return await self._ask((name, each) for name, each in self._probes.items() if each.live)

    async def ready(self) -> HealthReport:
        return await self._ask(self._probes.items())

    async def _ask(self, named: Iterable[tuple[str, _Named]]) -> HealthReport:
        asked = list(named)
        answers = await asyncio.gather(*(self._answer(each.probe) for _, each in asked))
        return HealthReport({name: answer for (name, _), answer in zip(asked, answers, strict=True)})

    async def _answer(self, probe: Probe) -> str | None:
        try:
            with suppress_instrumentation():
                return await asyncio.wait_for(probe(), self._bound_s)
        except TimeoutError:
            return f"no answer within {self._bound_s:g} s"
        except Exception as error:
            # Only the type: an error's text can hold anything.
            return type(error).__name__
