"""Liveness and readiness by named probes.

Liveness fails only where a restart helps; ready: every dependency answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

Probe = Callable[[], Awaitable[str | None]]
"""None when healthy, else the reason: public, no personal data."""

_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Probe → reason, or None. `warnings` need a person and change nothing about readiness."""

    checks: dict[str, str | None]
    warnings: dict[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        return all(wrong is None for wrong in self.checks.values())

    def as_json(self) -> dict[str, Any]:
        checks = {name: {"ok": wrong is None, "detail": wrong} for name, wrong in self.checks.items()}
        report: dict[str, Any] = {"status": "ok" if self.healthy else "unwell", "checks": checks}
        return {**report, "warnings": self.warnings} if self.warnings else report


@dataclass(frozen=True, slots=True)
class _NamedProbe:
    probe: Probe
    live: bool


class Health:
    def __init__(self, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._probes: dict[str, _NamedProbe] = {}
        self._warnings: dict[str, Probe] = {}

    def add(self, name: str, probe: Probe, *, live: bool = False) -> None:
        """Replaces one of the same name."""
        self._probes[name] = _NamedProbe(probe, live)

    def add_warning(self, name: str, probe: Probe) -> None:
        self._warnings[name] = probe

    def remove(self, name: str) -> None:
        self._probes.pop(name, None)

    async def live(self) -> HealthReport:
        return await self._run((name, each) for name, each in self._probes.items() if each.live)

    async def ready(self) -> HealthReport:
        report = await self._run(self._probes.items())
        answers = await asyncio.gather(*(self._answer(probe) for probe in self._warnings.values()))
        warnings = {name: answer for name, answer in zip(self._warnings, answers, strict=True) if answer is not None}
        return HealthReport(report.checks, warnings)

    async def _run(self, named: Iterable[tuple[str, _NamedProbe]]) -> HealthReport:
        probes = list(named)
        answers = await asyncio.gather(*(self._answer(each.probe) for _, each in probes))
        return HealthReport({name: answer for (name, _), answer in zip(probes, answers, strict=True)})

    async def _answer(self, probe: Probe) -> str | None:
        try:
            with suppress_instrumentation():
                return await asyncio.wait_for(probe(), self._timeout_s)
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except Exception as error:
            # Only the type: an error's text can hold anything.
            return type(error).__name__
