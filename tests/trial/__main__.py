"""`make trial`: names nothing, and asks what it is.

Starts a small installation with desks at work and the dashboards beside it, puts faults in by chance, one after
another, and prints a student's complaint a minute and a half after each. Name the cause with what is on the screens
alone (dashboards and alerts, the operator's page, `operate status`, `operate trace`): it takes the answer, as `frozen
library`, `poison dorm` or `slow clearance`, and says whether it is right and how long it took. `give up` tells.
"""

import asyncio
import logging
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from rich.console import Console

from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from deploy.local.processes.ports import free_port
from deploy.local.processes.state_folder import claim_any
from deploy.local.processes.supervisor import Supervisor, ends_reported
from deploy.local.servers import go_programs
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.services import ROOT
from deploy.observability.monitor import PORTS, Monitor
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.names import OPERATOR
from services.kit.runtime.private_files import write_private
from tests.drill.stage import Stage
from tests.support.servers.slow_database import SlowingProxy
from tests.support.servers.tcp_proxy import serving
from tests.trial.faults import KINDS, Fault, in_some_order, somewhere

SETTLES_S: Final = 30
COMPLAINS_AFTER_S: Final = 90
"""Students wait a while before they call; by then a silent department's lines are grey."""
console = Console(soft_wrap=True, highlight=False)


def main(
    students: Annotated[int, typer.Option(min=2, max=60, help="invented students")] = 40,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="faults, one after another")] = 4,
    only: Annotated[str, typer.Option(help=f"one of {', '.join(KINDS)}, to look at what it does")] = "",
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ends_reported(console), ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "trial"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres(state.folder)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        broker = Kafka(state.folder)
        broker.start().wait_ready()
        stack.callback(broker.stop)
        supervisor = stack.enter_context(Supervisor(console))
        asyncio.run(_play(folder, postgres.address, broker, supervisor, students, [only] * rounds))


async def _play(
    folder: Path, postgres: str, broker: Kafka, supervisor: Supervisor, students: int, kinds: list[str]
) -> None:
    async with serving(SlowingProxy, postgres) as (proxy, address):
        installation = Installation(folder, postgres=address, kafka=broker.address)
        installation.people.append(Person(sub="operator", name="程以恒", roles=(OPERATOR,), situation="operator"))
        stage = Stage(installation, broker, postgres)
        try:
            await stage.begin(students)
            _show(installation, supervisor)
            async with stage.load():
                for kind in kinds if all(kinds) else in_some_order(len(kinds)):
                    await _round(stage, somewhere(kind, stage, proxy))
        finally:
            for process in installation.processes.values():
                process.resume()
            proxy.slow = ""
            await installation.close()


async def _round(stage: Stage, fault: Fault) -> None:
    stage.watched = stage.installation.person()  # the last one's page may still tell of the last fault
    await stage.installation.enrol(str(stage.watched.student_id))
    await asyncio.sleep(SETTLES_S)
    await fault.put_in()
    try:
        await asyncio.sleep(COMPLAINS_AFTER_S)
        await _asked(stage.watched, fault)
    finally:
        await fault.mend()


def _show(installation: Installation, supervisor: Supervisor) -> None:
    """Addresses and a command, for the operator."""
    targets = {name: installation.operator_address(name) for name in (*installation.departments, CLEARANCE, GATEWAY)}
    folder = installation.folder / "dashboards"
    ports = {name: free_port() for name in PORTS}
    monitor = Monitor(folder, go_programs.ensure(console), ports, targets, tuple(installation.departments))
    for process in monitor.processes():
        supervisor.add(process)
        process.start().wait_ready()
    command = installation.folder / "operate"
    variables = installation.service(GATEWAY).environment
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name.startswith("LIXIAO_")]
    run = f'cd {shlex.quote(str(ROOT))} && exec {shlex.quote(sys.executable)} -m services.gateway "$@"'
    write_private(command, "\n".join(["#!/bin/sh", *exports, run, ""]))
    console.print(f"Dashboards       {monitor.dashboards}")
    console.print(f"Alerts           {monitor.alerts}")
    console.print(f"Operator's page  {installation.address(GATEWAY)}/operator (sign in as 程以恒)")
    console.print(f"In a terminal    sh {command} status; sh {command} trace\n")


async def _asked(student: Person, fault: Fault) -> None:
    since_s = time.monotonic()
    console.print(
        f"[bold]The student {student.student_id} calls[/] at {datetime.now(UTC):%H:%M:%S}: my page is not as it should"
        " be. I did what the desk asked for, and nothing moves. What is wrong?\n"
        "Your answer (frozen <department>, poison <department>, slow <service>; give up):"
    )
    async for line in _lines():
        took_s = time.monotonic() - since_s
        if fault.is_named_by(line):
            console.print(f"[bold]Yes[/]: {fault.kind} {fault.where}, named {took_s:.0f} s after the complaint.\n")
            return
        if line.strip() == "give up":
            console.print(f"It was {fault.kind} {fault.where}; {took_s:.0f} s.\n")
            return
        console.print("No. Look again:")


async def _lines() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line


if __name__ == "__main__":
    typer.run(main)
