"""Races of students against desks in a simulation, judged."""

import tempfile
from pathlib import Path

from tests.support.checker.checker import Anomaly, check
from tests.support.checker.workload.races import races
from tests.support.in_process.simulation import LIFE_S, simulation


async def simulated_races(
    postgres: str, count: int, seed: int, *, at_once: int = 20, life_s: float = LIFE_S
) -> tuple[list[Anomaly], int]:
    """Anomalies after `count` races from `seed`, and how many operations the clients noted."""
    with tempfile.TemporaryDirectory() as folder:
        async with simulation(postgres, Path(folder), seed=seed, life_s=life_s) as running:
            await races(running, count, seed, at_once=at_once)
            evidence = await running.evidence(settled=await running.rest())
            return check(evidence), len(evidence.operations)
