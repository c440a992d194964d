"""`python -m deploy.local.servers`: PostgreSQL, Kafka and Zipkin on this machine, without Docker.

up      start them, print their addresses, run until Ctrl-C
fetch   download the jars
clean   stop everything that runs from the state folder, then remove the folder

LIXIAO_STATE names the folder of all data, logs and jars (`.lixiao`).
"""

import logging
import shlex
from typing import Annotated, Final

import typer
from rich.console import Console

from deploy.local.processes.state_folder import STATE, StateFolder, clean
from deploy.local.processes.supervisor import Supervisor, ends_reported
from deploy.local.servers import flink, jars
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import obtain
from deploy.local.servers.zipkin import Zipkin

SERVERS: Final = {"postgres": Postgres, "kafka": Kafka, "zipkin": Zipkin}
app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
console = Console(soft_wrap=True)


@app.command()
def up(names: Annotated[list[str] | None, typer.Argument(help=f"some of: {', '.join(SERVERS)}")] = None) -> None:
    """Start these servers, or all, and run until Ctrl-C. Prints the variables that point other programs at them."""
    if unknown := set(names or ()) - SERVERS.keys():
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(SERVERS)}")
    # Logged at every attempt to reach a broker that is still starting.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ends_reported(console), StateFolder(STATE) as state, Supervisor(console) as supervisor:
        servers = {name: SERVERS[name](state.folder) for name in names or SERVERS}
        obtained = {name: obtain(one, wait=False, supervisor=supervisor) for name, one in servers.items()}
        for name, running in obtained.items():
            running.wait_ready()
            for variable, value in servers[name].variables(running.address).items():
                console.print(f"export {variable}={shlex.quote(value)}", highlight=False)
        console.print("Ready. Ctrl-C stops everything.")
        supervisor.watch()


@app.command()
def fetch(
    validator: Annotated[bool, typer.Option(help="Also what validates PDFs in tests.")] = False,
    with_flink: Annotated[bool, typer.Option("--flink", help="Also Flink, 340 MB.")] = False,
) -> None:
    """Download the jars of Kafka and Zipkin unless they are there."""
    with ends_reported(console):
        jars.fetch(console)
        if validator:
            jars.ensure("verapdf", console)
        if with_flink:
            flink.classpath()


@app.command("clean")
def clean_up() -> None:
    """Stop everything that runs from the state folder, then remove the folder."""
    if stopped := clean(STATE):
        console.print(f"Stopped {len(stopped)} processes.")


if __name__ == "__main__":
    app()
