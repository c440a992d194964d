"""`python -m tests.faults.staged`: races on the stage, and what the checker found as JSON. The mutants run it."""

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
from tests.support.checker.simulation import LIFE_S, Stage
from tests.support.checker.workload import races


async def staged(
    postgres: str, count: int, seed: int, *, at_once: int = 20, life_s: float = LIFE_S
) -> tuple[list[Anomaly], int]:
    """Anomalies after `count` races from `seed`, and how many operations the clients noted."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(postgres, Path(folder), seed=seed, life_s=life_s)
        try:
            await stage.begin()
            await races(stage, count, seed, at_once=at_once)
            settled = await stage.rest()
            evidence = await stage.evidence(settled=settled)
            return check(evidence), len(evidence.operations)
        finally:
            await stage.close()


def main(
    races_: Annotated[int, typer.Option("--races")] = 40,
    seed: int = 1,
    life_s: Annotated[float, typer.Option("--life")] = LIFE_S,
) -> None:
    """Run races on the stage; the last line is a JSON object of invariant → [count, example]."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found, operations = asyncio.run(staged(os.environ["LIXIAO_POSTGRES"], races_, seed, life_s=life_s))
    answer = {"operations": operations, "found": {one.invariant: [one.count, one.example] for one in found}}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    typer.run(main)
