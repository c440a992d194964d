"""`make faults`: the fault runs in larger numbers, with progress; ends with `N runs, M operations, K anomalies`."""

import asyncio
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from rich.console import Console

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from tests.faults import scenarios
from tests.faults.crashes import ROUNDS, crash_round
from tests.support.checker.checker import Anomaly
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import races
from tests.support.in_process.races import simulated_races
from tests.support.paths import ROOT

RACES_A_RUN: Final = 100
STAGE_RACES: Final = 60
RUNS_A_CAMPUS: Final = 12
"""Then a new installation: the checker reads everything that ever happened in one."""
console = Console(soft_wrap=True, highlight=False)
Run = tuple[str, Callable[[ObservedInstallation, Kafka], Awaitable[Any]]]


def kinds(seed: int) -> Iterator[Run]:
    """Runs, kind after kind, without end."""
    chance = random.Random(seed)
    while True:
        for number, paths in enumerate(ROUNDS):
            yield f"crashes {number + 1}", lambda observed, _, paths=paths: crash_round(observed, paths)  # type: ignore[misc]
            start = chance.randrange(10**6)
            yield "races", lambda observed, _, start=start: races(observed, RACES_A_RUN, start)  # type: ignore[misc]
        yield "debt at each step", lambda observed, _: scenarios.debt_at_each_step(observed)
        yield "department down", lambda observed, _: scenarios.department_down(observed, "finance")
        yield "department slow", lambda observed, _: scenarios.department_slow(observed, "archives", 6)
        yield "answers repeated", lambda observed, _: scenarios.repeated_answers(observed)
        yield "answers forged", lambda observed, _: scenarios.forged_answers(observed)
        yield "expiry", lambda observed, _: scenarios.expiry_against_the_last_answer(observed, 4)
        yield "view lagging", lambda observed, _: scenarios.view_lagging(observed, 20)
        yield "clearance comes and goes", lambda observed, _: scenarios.a_second_clearance_for(observed, 40, chance)
        yield "broker away", lambda observed, broker: scenarios.broker_away(observed, broker, 20)


def main(
    runs: Annotated[int, typer.Option(help="on real processes")] = 40,
    stages: Annotated[int, typer.Option(help=f"of {STAGE_RACES} races in one process, the test as the broker")] = 20,
    seed: int = 1,
    only: Annotated[str, typer.Option(help="a part of the kind's name")] = "",
) -> None:
    """Fault runs on real processes and on the stage; ends with 1 when the checker found anything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    found: list[Anomaly] = []
    with ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "faults"))
        postgres = Postgres(state.folder, durable=False)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        broker = Kafka(state.folder)
        broker.start().wait_ready()
        stack.callback(broker.stop)
        operations, made = asyncio.run(_stages(postgres.address, stages, seed, found))
        more, by_kind = asyncio.run(_runs(postgres.address, broker, runs, seed, only, found))
    by_kind += Counter({"stage": made})
    console.print(", ".join(f"{kind} {count}" for kind, count in sorted(by_kind.items())))
    console.print(f"{by_kind.total()} runs, {operations + more} operations, {len(found)} anomalies")
    raise typer.Exit(bool(found))


async def _stages(postgres: str, count: int, seed: int, found: list[Anomaly]) -> tuple[int, int]:
    operations = 0
    for number in range(count):
        began_s = time.monotonic()
        anomalies, noted = await simulated_races(postgres, STAGE_RACES, seed + number)
        operations += noted
        _say(f"stage {number + 1}/{count} (seed {seed + number})", anomalies, began_s)
        found += anomalies
    return operations, count


async def _runs(
    postgres: str, broker: Kafka, runs: int, seed: int, only: str, found: list[Anomaly]
) -> tuple[int, Counter[str]]:
    endless = kinds(seed)
    operations, by_kind, left = 0, Counter[str](), runs
    while left:
        with tempfile.TemporaryDirectory() as folder:
            observed = ObservedInstallation(Path(folder), postgres=postgres, kafka=broker.address)
            try:
                await observed.begin()
                for _ in range(min(left, RUNS_A_CAMPUS)):
                    kind, run = next(one for one in endless if only in one[0])
                    began_s = time.monotonic()
                    await run(observed, broker)
                    anomalies = await observed.judged()
                    left -= 1
                    by_kind[kind.rstrip(" 0123456789")] += 1
                    _say(f"{runs - left}/{runs} {kind}", anomalies, began_s)
                    found += anomalies
                    if anomalies:
                        break  # what it left behind would be found again and again
            finally:
                operations += len(observed.history.operations)
                await observed.close()
    return operations, by_kind


def _say(what: str, anomalies: list[Anomaly], began_s: float) -> None:
    console.print(f"{what}: {'; '.join(map(str, anomalies)) or 'no anomaly'} ({time.monotonic() - began_s:.0f} s)")


if __name__ == "__main__":
    typer.run(main)
