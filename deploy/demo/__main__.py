"""`make demo`: everything on this machine, 200 invented students, and a season being lived at the departments' desks.

Starts PostgreSQL, Kafka and Zipkin (or uses those that LIXIAO_POSTGRES, LIXIAO_KAFKA and LIXIAO_ZIPKIN name), makes
databases and topics, starts every service, loads the cohort once, and runs until Ctrl-C. All state is in
`.lixiao/demo`, so a second start takes seconds. LIXIAO_STATE names another folder than `.lixiao`, LIXIAO_NAMESPACE
sets databases and topics on shared servers apart.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.demo.installation import DemoInstallation
from deploy.demo.progress import Steps
from deploy.demo.simulator import FASTEST, Player
from deploy.demo.students import FEWEST, MOST, STAFF, Student, cohort, left_to_the_player
from deploy.demo.welcome import TRIED, say_addresses, say_example, say_people
from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import StateFolder, StateInUse
from deploy.local.processes.supervisor import GaveUp, Supervisor
from deploy.local.servers import jars

STATE: Final = Path(os.environ.get("LIXIAO_STATE") or ".lixiao")
FAILURES: Final = (StartFailed, StateInUse, jars.JarsMissing, GaveUp)
TOLD_EVERY_S: Final = 60
console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    students: Annotated[int, typer.Option(min=FEWEST, max=MOST, help="invented students")] = 200,
    pace: Annotated[float, typer.Option(min=0.01, max=FASTEST, help="acts a second at the desks")] = 2.0,
    player: Annotated[bool, typer.Option(help="whether a season is lived at the desks")] = True,
    once: Annotated[bool, typer.Option("--once", help="stop as soon as everything is ready")] = False,
    port: Annotated[int, typer.Option(min=0, max=65000, help="the first port; 0: any free ones")] = 8000,
) -> None:
    """Start everything, load the cohort once, say where it is, and run until interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` would have us ignore it
    try:
        with StateFolder(STATE / "demo") as state, Supervisor(console) as supervisor:
            everybody = cohort(students)
            up = bring_up(state.folder, supervisor, everybody, port)
            if once:
                return
            turn = season(up, everybody, pace) if player else None
            watch(supervisor, turn)
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    except FAILURES as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


def bring_up(folder: Path, supervisor: Supervisor, everybody: tuple[Student, ...], port: int) -> DemoInstallation:
    """Servers, services, cohort; then say where everything is."""
    steps = Steps(console)
    namespace = os.environ.get("LIXIAO_NAMESPACE") or "lixiao"
    up = DemoInstallation(folder, jars.cache_folder(STATE), namespace, port, steps, supervisor)
    servers = up.start_servers()
    up.start_services(servers, everybody)
    up.load(everybody)
    console.print(f"\n[bold]Ready[/] after {steps.seconds:.0f} s.\n", highlight=False)
    say_addresses(console, up.addresses, up.departments, servers.zipkin)
    say_people(console, everybody, STAFF)
    if TRIED[0] in up.departments:
        say_example(console, everybody[0], up.addresses[TRIED[0]], up.accounts.token_file(TRIED[0]))
    console.print(f"Logs are in {folder / 'logs'}. Ctrl-C stops everything.", highlight=False)
    return up


def season(up: DemoInstallation, everybody: tuple[Student, ...], pace: float) -> Player:
    """Somebody at every desk, for the students without a part of their own."""
    desks = {name: up.addresses[name] for name in up.departments}
    students = [one.student_id for one in left_to_the_player(everybody)]
    return Player(desks, up.accounts, students, pace=pace, seed=len(students))


def watch(supervisor: Supervisor, player: Player | None) -> None:
    """Keep everything running, and play in between, until interrupted. Raises GaveUp."""
    if player is None:
        supervisor.watch()
        return
    with closing(player), console.status("The season begins.", refresh_per_second=2) as status:
        told = every(TOLD_EVERY_S, lambda: console.print(f"Season: {player.tally}", highlight=False))

        def turn() -> bool:
            player.turn()
            status.update(f"Season: {player.tally}")
            if not console.is_terminal:
                told()
            return False

        supervisor.watch(until=turn)


def every(period_s: float, say: Callable[[], None]) -> Callable[[], None]:
    """`say`, at most once a period however often it is called."""
    due_s = time.monotonic() + period_s

    def maybe() -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + period_s
            say()

    return maybe


if __name__ == "__main__":
    app()
