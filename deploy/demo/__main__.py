"""`make demo`: everything on this machine, 200 invented students, and simulated staff at the departments' desks.

Starts PostgreSQL, Kafka and Zipkin (or uses those of LIXIAO_POSTGRES, LIXIAO_KAFKA and LIXIAO_ZIPKIN) and every
service, loads the roster and then each department's list, once, and runs until Ctrl-C. The last department's list is
late: its checks are 待同步 for a while. State is in `.lixiao/demo`; LIXIAO_STATE replaces `.lixiao`,
LIXIAO_NAMESPACE separates databases and topics on shared servers.
"""

import logging
import os
import time
from contextlib import closing
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.demo.late_lists import LateLists
from deploy.demo.launch import Launch
from deploy.demo.progress import LaunchProgress
from deploy.demo.simulator import MAX_PACE, Simulator
from deploy.demo.students import MAX_STUDENTS, MIN_STUDENTS, invent_students, simulated
from deploy.demo.welcome import print_welcome
from deploy.local.processes.state_folder import STATE, StateFolder
from deploy.local.processes.supervisor import Supervisor, ends_reported

TALLY_EVERY_S: Final = 60
console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    students: Annotated[int, typer.Option(min=MIN_STUDENTS, max=MAX_STUDENTS, help="invented students")] = 200,
    pace: Annotated[float, typer.Option(min=0.01, max=MAX_PACE, help="simulated operations per second")] = 2.0,
    simulation: Annotated[bool, typer.Option(help="simulate the departments' staff")] = True,
    late: Annotated[int, typer.Option(min=0, help="departments, from the last, whose lists are late")] = 1,
    late_s: Annotated[float, typer.Option(min=0, help="seconds until each of them; 0: no list is late")] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="stop as soon as everything is ready")] = False,
    port: Annotated[int, typer.Option(min=0, max=65000, help="first port; 0: any free ones")] = 8000,
) -> None:
    # Logged at every attempt to reach a broker that is still starting.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ends_reported(console), StateFolder(STATE / "demo") as state, Supervisor(console) as supervisor:
        progress = LaunchProgress(console)
        invented = invent_students(students)
        launch = Launch(state.folder, progress, supervisor)
        services = launch.start_servers(invented, os.environ.get("LIXIAO_NAMESPACE") or "lixiao", port)
        launch.start_services(services)
        launch.load_roster(services, invented)
        missing = launch.load_lists(services, invented, late=0 if once or not late_s else late)
        console.print(f"\n[bold]Ready[/] after {progress.seconds:.0f} s.\n", highlight=False)
        print_welcome(console, services, invented)
        lists = LateLists(missing, lambda name: launch.load_list(services, invented, name), console, every_s=late_s)
        console.print(f"Logs: {state.folder / 'logs'}. Ctrl-C stops everything.", highlight=False)
        if once:
            return
        ids = [one.student_id for one in simulated(invented)] if simulation else []
        run(supervisor, lists, Simulator(services, ids, pace=pace, seed=len(ids)))


def run(supervisor: Supervisor, lists: LateLists, simulator: Simulator) -> None:
    """Supervise, load late lists and simulate until interrupted. Raises GaveUp, StartFailed."""
    printed_s = time.monotonic()
    with closing(simulator), console.status("Running", refresh_per_second=2) as status:

        def step() -> bool:
            nonlocal printed_s
            lists.load_due()
            # Without its list a desk does nothing yet: its acts would be all that is known of their students.
            simulator.closed = lists.waiting
            simulator.run_due()
            status.update(f"Simulation: {simulator.tally}")
            if not console.is_terminal and time.monotonic() - printed_s >= TALLY_EVERY_S:
                printed_s = time.monotonic()
                console.print(f"Simulation: {simulator.tally}", highlight=False)
            return False

        supervisor.watch(until=step)


if __name__ == "__main__":
    app()
