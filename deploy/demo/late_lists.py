"""Departments whose lists arrive after the launch: until then their checks are 待同步."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console

from services.kit.manifests import DepartmentManifest


class LateLists:
    """They arrive one after the other, `every_s` apart; `load` returns the number of rows."""

    def __init__(
        self,
        departments: Sequence[DepartmentManifest],
        load: Callable[[str], int],
        console: Console,
        *,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = list(departments)
        self._load = load
        self._console = console
        self._every_s = every_s
        self._clock = clock
        self._due_at_s = clock() + every_s
        if departments:
            arrivals = "、".join(
                f"{department.title.zh} {number * every_s:g} s" for number, department in enumerate(departments, 1)
            )
            console.print(
                f"Lists that are late, and when they arrive: {arrivals}. Until then these checks are 待同步 (grey), and"
                " nobody can submit.",
                highlight=False,
            )

    @property
    def waiting(self) -> frozenset[str]:
        """By name."""
        return frozenset(department.name for department in self._waiting)

    def load_due(self) -> None:
        """Raises StartFailed."""
        if not self._waiting or self._clock() < self._due_at_s:
            return
        department = self._waiting[0]
        rows = self._load(department.name)
        del self._waiting[0]
        self._due_at_s += self._every_s
        self._console.print(
            f"{department.title.zh} ({department.name}): the list has arrived, {rows} rows; the checks turn.",
            highlight=False,
        )
