"""`python -m bench [name…] [--quick] [--rounds N]`: the measurements named, or all of them."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Final, Protocol

import typer

from bench import environment, gateway, ground, latency, projector, relay, submit
from bench.ground import Servers

DEFAULT_ROUNDS: Final = 5


class Measurement(Protocol):
    def __call__(self, on: Servers, *, rounds: int, quick: bool) -> Iterator[str]: ...


MEASUREMENTS: Final[dict[str, Measurement]] = {
    "latency": latency.run,
    "relay": relay.run,
    "gateway": gateway.run,
    "projector": projector.run,
    "submit": submit.run,
}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Which: {', '.join(MEASUREMENTS)}.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: shows that it runs, its figures say nothing.")
    ] = False,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds of each measurement.")] = DEFAULT_ROUNDS,
) -> None:
    """Measure, and print."""
    wanted = names or list(MEASUREMENTS)
    if unknown := [name for name in wanted if name not in MEASUREMENTS]:
        raise typer.BadParameter(f"{', '.join(unknown)}: the measurements are {', '.join(MEASUREMENTS)}.")
    # A new topic has no leader for a moment, and aiokafka says so for each partition while it tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What was made on the servers is removed however this ends.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with ground.servers() as on:
        measure(on, wanted, rounds=1 if quick else rounds, quick=quick, say=lambda line: print(line, flush=True))


def measure(on: Servers, names: list[str], *, rounds: int, quick: bool, say: Callable[[str], None]) -> None:
    """Run the measurements named on these servers, saying each line as it is known."""
    for line in asyncio.run(environment.describe(on.postgres, on.kafka)):
        say(line)
    for name in names:
        say("")
        say(f"{name}{' (quick: not a measurement)' if quick else ''}")
        for line in MEASUREMENTS[name](on, rounds=rounds, quick=quick):
            say(line)


if __name__ == "__main__":
    app()
