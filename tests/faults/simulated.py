"""`python -m tests.faults.simulated`: races in a simulation, and what the checker found as JSON. The mutants run it."""

import asyncio
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tests.support.checker.checker import Anomaly, check
from tests.support.checker.workload import races
from tests.support.in_process.simulation import LIFE_S, simulation


async def simulated(
    postgres: str, count: int, seed: int, *, at_once: int = 20, life_s: float = LIFE_S
) -> tuple[list[Anomaly], int]:
    """Anomalies after `count` races from `seed`, and how many operations the clients noted."""
    with tempfile.TemporaryDirectory() as folder:
        async with simulation(postgres, Path(folder), seed=seed, life_s=life_s) as running:
            await races(running, count, seed, at_once=at_once)
            evidence = await running.evidence(settled=await running.rest())
            return check(evidence), len(evidence.operations)


def main(
    races_: Annotated[int, typer.Option("--races")] = 40,
    seed: int = 1,
    life_s: Annotated[float, typer.Option("--life")] = LIFE_S,
) -> None:
    """Run races; the last line is a JSON object of invariant → [count, example]."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found, operations = asyncio.run(simulated(os.environ["LIXIAO_POSTGRES"], races_, seed, life_s=life_s))
    answer = {"operations": operations, "found": {one.invariant: [one.count, one.example] for one in found}}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    typer.run(main)
