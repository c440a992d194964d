"""`make dashboards`: the dashboards and alerts of the running demo in a browser, without a Grafana or a Prometheus.

Builds VictoriaMetrics and vmalert once, reads the metrics of the demo's services, and runs until Ctrl-C.
"""

import os
import shutil
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.local.processes.ports import LOOPBACK, noted_ports, remembered_ports
from deploy.local.processes.process import StartFailed, answers_ok
from deploy.local.processes.state_folder import STATE, StateFolder
from deploy.local.processes.supervisor import Supervisor, ends_reported
from deploy.local.running_services import service_names
from deploy.local.servers import go_programs
from deploy.local.services import IDENTITY, operator_port_of
from deploy.observability.monitor import PORTS, Monitor
from schemas.flows import GATEWAY
from services.kit.manifests import SERVICES, discover

FIRST_PORT: Final = 18428
console = Console(soft_wrap=True)
app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    demo: Annotated[Path, typer.Option(help="state folder of the running demo")] = STATE / "demo",
    port: Annotated[int, typer.Option(min=0, max=65000, help="first port; 0: any free ones")] = FIRST_PORT,
) -> None:
    with ends_reported(console), StateFolder(STATE / "dashboards") as state, Supervisor(console) as supervisor:
        departments = discover(Path(os.environ.get("LIXIAO_SERVICES_FOLDER") or SERVICES))
        targets = running_services(demo, *service_names(departments))
        ports = remembered_ports(state.folder / "ports", PORTS, port)
        shown = state.folder / "shown"
        shutil.rmtree(shown, ignore_errors=True)
        monitor = Monitor(shown, go_programs.ensure(console), ports, targets, tuple(departments))
        try:
            for process in monitor.processes():
                supervisor.add(process)
                process.start().wait_ready()
            console.print(f"[bold]Dashboards[/]  {monitor.dashboards}", highlight=False)
            console.print(f"[bold]Alerts[/]      {monitor.alerts}", highlight=False)
            console.print("Rates are there after two minutes. Ctrl-C stops it; the demo goes on.", highlight=False)
            supervisor.watch()
        finally:
            supervisor.stop_all()
            shutil.rmtree(shown, ignore_errors=True)


def running_services(demo: Path, *names: str) -> dict[str, str]:
    """Address of the operators' port by service. Raises StartFailed when no demo runs from the folder."""
    served = [name for name in names if name != IDENTITY]
    try:
        ports = noted_ports(demo / "ports", map(operator_port_of, served))
    except FileNotFoundError:
        ports = {}
    addresses = {name: f"http://{LOOPBACK}:{ports[operator_port_of(name)]}" for name in served if ports}
    if not addresses or not answers_ok(f"{addresses[GATEWAY]}/health/live"):
        raise StartFailed(f"No demo runs from {demo}. Start it in another terminal: make demo.")
    return addresses


if __name__ == "__main__":
    app()
