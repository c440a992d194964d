"""What an installation uses while nobody asks it for anything: all services and both servers."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.fixtures import Servers
from bench.harness import Figure, Spread
from bench.processor import LOAD, spent, used
from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY

SETTLED_S: Final = 60.0
"""The broker compiles what it runs most in its first minute."""
WATCHED_S: Final = 60.0


def run(on: Servers, *, rounds: int, quick: bool) -> Iterator[str | Figure]:
    """`rounds`: windows of one installation."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        installation = Installation(Path(folder), postgres=on.postgres, kafka=on.kafka)
        try:
            runner.run(_start(installation))
            time.sleep(0 if quick else SETTLED_S)
            shares = []
            for number in range(1, rounds + 1):
                shares.append(_watched(1.0 if quick else WATCHED_S))
                yield f"  {number}: " + ", ".join(f"{name} {share:.2%}" for name, share in shares[-1].items())
            total = Spread(tuple(sum(one.values()) for one in shares))
            yield f"of one core: {total.text(digits=3)}"
            yield Figure("a second of nothing", Spread(tuple(share * 1e6 for share in total.values)), "", "0.08 core")
        finally:
            runner.run(installation.close())


async def _start(installation: Installation) -> None:
    await installation.provision()
    await installation.start(*installation.departments, CLEARANCE, GATEWAY)


def _watched(over_s: float) -> dict[str, float]:
    """Share of a core, by process."""
    before, began_s = used(), time.monotonic()
    time.sleep(over_s)
    took_s = time.monotonic() - began_s
    return {name: seconds / took_s for name, seconds in spent(before).items() if name != LOAD}
