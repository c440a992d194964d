"""`python -m bench`: run the named measurements, or all."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Final, Protocol

import typer

from bench import environment, figures, fixtures, goals, idle, imports, lists, relay, submit
from bench.cohorts import cohorts
from bench.fixtures import Servers
from bench.gateway import gateway
from bench.harness import TABLE, Figure
from bench.latency import latency
from bench.live import live
from bench.peers import peers
from bench.plan import minutes, plan_of
from bench.projector import projector, rebuild


class Measurement(Protocol):
    def __call__(self, on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]: ...


MEASUREMENTS: Final[dict[str, Measurement]] = {
    "latency": latency.run,
    "relay": relay.run,
    "gateway": gateway.run,
    "projector": projector.run,
    "rebuild": rebuild.run,
    "peers": peers.run,
    "cohorts": cohorts.run,
    "submit": submit.run,
    "live": live.run,
    "lists": lists.run,
    "imports": imports.run,
    "idle": idle.run,
}
CHECKED: Final = ("relay", "projector", "gateway", "submit", "idle")
"""What a short run compares with the committed figures."""


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Which: {', '.join(MEASUREMENTS)}.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: shows that it runs; the figures mean nothing.")
    ] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, max=50, help="Rounds of each measurement, instead of its own number.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="One round of some; by how much each moved from the committed figures.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Write the figures of this run to the committed file.")] = False,
) -> None:
    """Run measurements and print their figures."""
    wanted = names or list(CHECKED if check else MEASUREMENTS)
    if unknown := [name for name in wanted if name not in MEASUREMENTS]:
        raise typer.BadParameter(f"{', '.join(unknown)}: the measurements are {', '.join(MEASUREMENTS)}.")
    if keep and quick:
        raise typer.BadParameter("--keep: figures of a quick run mean nothing.")
    # A new topic has no leader at first, and aiokafka logs that for each partition until it has one.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # On SIGTERM too, databases and topics are removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with fixtures.servers() as on:
        found = measure(
            on, wanted, rounds=1 if quick or check else rounds, quick=quick, report=lambda line: print(line, flush=True)
        )
    if check:
        print("\n".join(("", *figures.compared(figures.committed(), found))))
    if keep:
        figures.keep(found)


def measure(
    on: Servers, names: list[str], *, rounds: int | None, quick: bool, report: Callable[[str], None]
) -> list[Figure]:
    """Reports each line as soon as it is known, and the figures and goals at the end. Without `rounds`: as planned."""
    found: list[Figure] = []
    for about in asyncio.run(environment.describe(on.postgres, on.kafka)):
        report(about)
    if not quick:
        report(f"{len(names)} measurements, about {minutes(names, rounds):.0f} minutes on a quiet machine")
    for number, name in enumerate(names, 1):
        times = rounds or plan_of(name).rounds
        about = "quick: not a measurement" if quick else _about(name, times)
        report("")
        report(f"{name} ({number} of {len(names)}, {about})")
        began_s = time.monotonic()
        for line in MEASUREMENTS[name](on, rounds=times, quick=quick):
            if isinstance(line, Figure):
                found.append(line)
            else:
                report(line)
        report(f"  took {time.monotonic() - began_s:.0f} s")
    if found:
        for text in ("", TABLE, *(one.text() for one in found), "", *goals.lines(found)):
            report(text)
    return found


def _about(name: str, rounds: int) -> str:
    return f"{rounds} round{'s' if rounds > 1 else ''}, about {plan_of(name).takes_s(rounds):.0f} s"


if __name__ == "__main__":
    app()
