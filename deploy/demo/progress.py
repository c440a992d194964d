"""Progress of a launch."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

PRINTED_EVERY = 200
"""Items a line without a terminal for a bar."""


class LaunchProgress:
    def __init__(self, console: Console) -> None:
        self.console = console
        self._started_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the launch began."""
        return time.monotonic() - self._started_s

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """Yields a function for what the step waits for; only a terminal shows it."""
        with self._timed(f"{what} …", what), self.console.status(f"{what} …") as status:
            yield lambda waiting: status.update(f"{what}: waiting for {waiting} …")

    @contextmanager
    def counted(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yields a function for how many more are done."""
        done = 0
        columns = (TextColumn(f"{what} …"), BarColumn(), MofNCompleteColumn())
        bars = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        with self._timed(f"{what}: {total} …", what), bars:
            bar = bars.add_task(what, total=total)

            def advance(count: int) -> None:
                nonlocal done
                done += count
                bars.update(bar, completed=done)
                if count and not self.console.is_terminal and done % PRINTED_EVERY == 0:
                    self.console.print(f"  {done} of {total}", highlight=False)

            yield advance

    @contextmanager
    def _timed(self, before: str, what: str) -> Iterator[None]:
        started_s = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(before, highlight=False)
        yield
        self.console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - started_s:.1f} s[/]", highlight=False)
