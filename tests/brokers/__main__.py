"""`make test-brokers`: three brokers, replication 3, `min.insync.replicas` 2, killed while students and desks work.

First one: nothing that was acknowledged is lost or doubled, and the longest stall is printed. Then two, so that no
partition has the replicas that a write needs: writes wait, health says so, and all heals when the brokers are back.
"""

import asyncio
import logging
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import psutil
import structlog
import typer
from rich.console import Console

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.postgres import Postgres
from schemas.flows import CLEARANCE
from services.gateway.staff.operating.client import gauges_in
from tests.brokers.cluster import SIZE, Cluster
from tests.brokers.ticks import DEPARTMENT, Ticks, ticking
from tests.support.checker.history import Outcome
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.checker.workload.races import races
from tests.support.paths import ROOT
from tests.support.waiting import eventually

TICKED: Final = 12
UNDER_WAY_S: Final = 2.0
STALL_BOUND_S: Final = 30.0
"""Far above what is measured: a broker is given up after three seconds, then its partitions have new leaders."""
SAID_WITHIN_S: Final = 60.0
HEALED_WITHIN_S: Final = 90.0
DEGRADED: Final = "lixiao_kafka_degraded"
console = Console(soft_wrap=True, highlight=False)


def main(
    count: Annotated[int, typer.Option("--races", min=10, help="while a broker is killed")] = 60,
    seed: int = 1,
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "brokers"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres(state.folder, durable=False)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        cluster = Cluster(folder)
        stack.callback(cluster.stop)
        asyncio.run(_run(folder / "installation", postgres.address, cluster, count, seed))


async def _run(folder: Path, postgres: str, cluster: Cluster, count: int, seed: int) -> None:
    began_s = time.monotonic()
    await cluster.start()
    resident_mb = max(psutil.Process(broker.pid).memory_info().rss for broker in cluster.brokers) / 2**20
    console.print(f"{SIZE} brokers after {time.monotonic() - began_s:.0f} s, up to {resident_mb:.0f} MB each")
    observed = ObservedInstallation(folder, postgres=postgres, kafka=cluster.address)
    try:
        await observed.begin()
        await replicated(observed, cluster)
        ticked = [await observed.student() for _ in range(TICKED)]
        await one_killed(observed, cluster, ticked, count, seed)
        await two_killed(observed, cluster, ticked)
    finally:
        await observed.close()


async def replicated(observed: ObservedInstallation, cluster: Cluster) -> None:
    """As provisioning made the topics."""
    installation = observed.installation
    specs = installation.topics.specs(installation.departments)
    partitions = await cluster.replicas([spec.name for spec in specs])
    assert {replicas for replicas, _, _ in partitions} == {SIZE}, partitions
    assert {leader for _, _, leader in partitions} == {broker.number for broker in cluster.brokers}
    console.print(f"{len(specs)} topics, {len(partitions)} partitions, {SIZE} replicas each, led by every broker")


async def one_killed(
    observed: ObservedInstallation, cluster: Cluster, ticked: list[str], count: int, seed: int
) -> None:
    victim = cluster.brokers[seed % SIZE]
    began_s = time.monotonic()
    async with ticking(observed, ticked) as ticks:
        work = asyncio.create_task(races(observed, count, seed))
        await asyncio.sleep(UNDER_WAY_S)
        victim.kill()
        await work
    assert not ticks.refused, f"{ticks.refused} changes were refused at the desk"
    assert ticks.longest_s < STALL_BOUND_S, f"a change took {ticks.longest_s:.1f} s to reach the view"
    assert await observed.judged() == []
    await degraded(observed)
    _say(f"{victim.name} killed under {count} races", ticks, began_s)
    await cluster.start([victim])


async def two_killed(observed: ObservedInstallation, cluster: Cluster, ticked: list[str]) -> None:
    """The desks go on, submissions wait; both end once the brokers are back."""
    await in_sync(observed, cluster)
    victims = cluster.brokers[1:]
    submitting = [await observed.student() for _ in range(TICKED)]
    await observed.rest()
    began_s = time.monotonic()
    for broker in victims:
        broker.kill()
    asked = [await observed.ask(student_id) for student_id in submitting]
    for student_id in ticked:
        assert await observed.charge(student_id, "W-1") is Outcome.OK, "a desk works without Kafka"
    detail = await said(observed)
    states = {await observed.end_of(command_id, 0.1) for command_id in asked}
    assert states == {"asked"}, f"decided without a majority of the brokers: {states}"
    said_s = time.monotonic() - began_s
    await cluster.start(victims)
    back_s = time.monotonic()
    assert {await observed.end_of(command_id, HEALED_WITHIN_S) for command_id in asked} == {"done"}
    await observed.installation.in_step(DEPARTMENT, students=ticked, timeout_s=HEALED_WITHIN_S)
    healed_s = time.monotonic() - back_s
    assert await observed.judged() == []
    console.print(
        f"{len(victims)} of {SIZE} killed: {len(asked)} submissions and {len(ticked)} debts waited, none lost; "
        f"readiness said so after {said_s:.0f} s ({detail}); "
        f"all decided and shown {healed_s:.1f} s after the brokers were back"
    )


async def said(observed: ObservedInstallation) -> str:
    """What readiness answers operators and their monitoring, once it does."""
    found: list[str] = []

    async def unwell() -> bool:
        code, report = await observed.installation.health(CLEARANCE, "ready")
        found[:] = [f"{name}: {each['detail']}" for name, each in report["checks"].items() if not each["ok"]]
        return code != 200 and any("broker" in each for each in found)

    await eventually(unwell, what="the clearance to be unready", timeout_s=SAID_WITHIN_S, poll_s=0.5)
    return found[0]


async def degraded(observed: ObservedInstallation) -> None:
    """By the metric of the clearance that KafkaDegraded is about."""
    installation = observed.installation

    async def shown() -> bool:
        answer = await installation.client(CLEARANCE).get(f"{installation.operator_address(CLEARANCE)}/metrics")
        return gauges_in(answer.text, (DEGRADED,))[DEGRADED] > 0

    await eventually(shown, what=f"{DEGRADED} to tell of it", timeout_s=HEALED_WITHIN_S, poll_s=0.5)


async def in_sync(observed: ObservedInstallation, cluster: Cluster) -> None:
    specs = observed.installation.topics.specs(observed.installation.departments)

    async def whole() -> bool:
        return all(replicas == isr for replicas, isr, _ in await cluster.replicas([spec.name for spec in specs]))

    await eventually(whole, what="every replica in sync", timeout_s=HEALED_WITHIN_S, poll_s=0.5)


def _say(what: str, ticks: Ticks, began_s: float) -> None:
    console.print(
        f"{what}: {len(ticks.seconds)} changes reached the view, the slowest after {ticks.longest_s:.1f} s, "
        f"half of them within {ticks.usual_s:.2f} s; nothing lost, nothing doubled ({time.monotonic() - began_s:.0f} s)"
    )


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
