"""What a launcher says while it works: one line a step with its seconds, and a bar for what is long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

SAID_EVERY = 200
"""Without a terminal there is no bar: a line each time that so many are done."""


class Steps:
    """The steps of one launch, told on a console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began_s

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[str], None]]:
        """One step. The function given says what it waits for now; it is shown on a terminal only."""
        began_s = time.monotonic()
        if not self.console.is_terminal:
            self.console.print(f"{what} …", highlight=False)
        with self.console.status(f"{what} …") as status:
            yield lambda waiting: status.update(f"{what}: waiting for {waiting} …")
        self.console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began_s:.1f} s[/]", highlight=False)

    @contextmanager
    def counted(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        """A step of `total` small parts; the function given is told how many more are done."""
        began_s, done = time.monotonic(), 0
        columns = (TextColumn(f"{what} …"), BarColumn(), MofNCompleteColumn())
        if not self.console.is_terminal:
            self.console.print(f"{what}: {total} …", highlight=False)
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            bar = progress.add_task(what, total=total)

            def advance(count: int) -> None:
                nonlocal done
                done += count
                progress.update(bar, completed=done)
                if not self.console.is_terminal and done % SAID_EVERY == 0:
                    self.console.print(f"  {done} of {total}", highlight=False)

            yield advance
        self.console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began_s:.1f} s[/]", highlight=False)
