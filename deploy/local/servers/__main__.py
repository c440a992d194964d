"""`python -m deploy.local.servers`: PostgreSQL, Kafka and Zipkin on this machine, without Docker.

up      start them, print their addresses, run until Ctrl-C
fetch   download the jars
clean   stop everything that runs from the state folder, then remove the folder
"""

import logging
import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deploy.local.processes.state_folder import StateFolder, clean
from deploy.local.processes.supervisor import Supervisor, ends_reported
from deploy.local.servers import jars
from deploy.local.servers.obtain import Running, obtain_kafka, obtain_postgres, obtain_zipkin

DEFAULT_STATE = Path(os.environ.get("LIXIAO_STATE") or ".lixiao")
app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
console = Console(soft_wrap=True)


class Name(StrEnum):
    POSTGRES = "postgres"
    KAFKA = "kafka"
    ZIPKIN = "zipkin"


ALL = ",".join(Name)
State = Annotated[Path, typer.Option("--state", help="the folder of all data, logs and jars")]
Only = Annotated[str, typer.Option("--only", help=f"some of: {ALL}")]


@app.command()
def up(state: State = DEFAULT_STATE, only: Only = ALL) -> None:
    """Start the servers and run until Ctrl-C. Prints the variables that point other programs at them."""
    names = _names(only)
    # Logged at every attempt to reach a broker that is still starting.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with ends_reported(console), StateFolder(state) as owned, Supervisor(console) as supervisor:
        obtained = [_obtain(name, owned.folder, jars.cache_folder(state), supervisor) for name in names]
        for name, running in zip(names, obtained, strict=True):
            running.wait_ready()
            console.print(f"export LIXIAO_{name.upper()}={shlex.quote(running.address)}", highlight=False)
        console.print("Ready. Ctrl-C stops everything.")
        supervisor.watch()


@app.command()
def fetch(state: State = DEFAULT_STATE, only: Only = ALL) -> None:
    """Download the jars of Kafka and Zipkin unless they are there."""
    with ends_reported(console):
        for name in _names(only):
            if name is not Name.POSTGRES and f"LIXIAO_{name.upper()}" not in os.environ:
                jars.ensure(name, jars.cache_folder(state), console)


@app.command("clean")
def clean_up(state: State = DEFAULT_STATE) -> None:
    """Stop everything that runs from the state folder, then remove the folder."""
    if stopped := clean(state):
        console.print(f"Stopped {len(stopped)} processes.")


def _obtain(name: Name, state: Path, cache: Path, supervisor: Supervisor) -> Running[Any]:
    running: Running[Any]
    if name is Name.POSTGRES:
        running = obtain_postgres(state)
    elif name is Name.KAFKA:
        running = obtain_kafka(state, cache, wait=False)
    else:
        running = obtain_zipkin(state, cache, wait=False)
    if running.server:
        supervisor.add(running.server)
    return running


def _names(only: str) -> list[Name]:
    try:
        return [Name(name.strip()) for name in only.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; choose from {ALL}") from error


if __name__ == "__main__":
    app()
