"""`python -m deploy.local.servers`: the real PostgreSQL, Kafka and Zipkin of this machine, without Docker.

up      start them, print their addresses, run until Ctrl-C
fetch   only fetch the jars, with progress
clean   stop what runs from the state folder, then remove it
"""

import os
import shlex
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import StateFolder, StateInUse, clean
from deploy.local.processes.supervisor import GaveUp, Supervisor
from deploy.local.servers import jars
from deploy.local.servers.obtain import obtain_kafka, obtain_postgres, obtain_zipkin
from deploy.local.servers.server import LocalServer

DEFAULT_STATE = Path(os.environ.get("LIXIAO_STATE") or ".lixiao")
FAILURES = (StartFailed, StateInUse, jars.JarsMissing, GaveUp)
app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, rich_markup_mode=None)
console = Console(soft_wrap=True)


class Name(StrEnum):
    """What can be asked for."""

    POSTGRES = "postgres"
    KAFKA = "kafka"
    ZIPKIN = "zipkin"


Folder = Annotated[Path, typer.Option("--state", help="the folder that holds everything")]
Only = Annotated[str, typer.Option("--only", help="some of: postgres,kafka,zipkin")]
Every = ",".join(Name)


@app.command()
def up(state: Folder = DEFAULT_STATE, only: Only = Every) -> None:
    """Start the parts and run until Ctrl-C; prints the lines that make other programs use them."""
    names = _names(only)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` would have us ignore it
    try:
        with StateFolder(state) as claimed, Supervisor(console) as supervisor:
            obtained = []
            for name in names:
                address, part = _obtain(name, claimed.folder, jars.cache_folder(state))
                if part is not None:
                    supervisor.add(part, started=True)
                obtained.append((name, address, part))
            for name, address, part in obtained:
                if part is not None:
                    part.wait()
                console.print(f"export LIXIAO_{name.upper()}={shlex.quote(address)}", highlight=False)
            console.print("Ready. Ctrl-C stops everything.")
            supervisor.watch()
    except KeyboardInterrupt:
        console.print("Stopped; nothing is left running.")
    except FAILURES as error:
        _fail(error)


@app.command()
def fetch(state: Folder = DEFAULT_STATE, only: Only = Every) -> None:
    """Fetch the jars of Kafka and Zipkin, once; nothing happens when they are there."""
    try:
        for name in _names(only):
            if name is not Name.POSTGRES and f"LIXIAO_{name.upper()}" not in os.environ:
                jars.ensure(name, jars.cache_folder(state), console)
    except FAILURES as error:
        _fail(error)


@app.command("clean")
def clean_up(state: Folder = DEFAULT_STATE) -> None:
    """Stop what runs from the state folder, then remove the folder."""
    stopped = clean(state)
    if stopped:
        console.print(f"Stopped {len(stopped)} processes.")


def _obtain(name: Name, state: Path, cache: Path) -> tuple[str, LocalServer | None]:
    """The address, and the part when it was started here: the Java ones are still starting then."""
    if name is Name.POSTGRES:
        postgres = obtain_postgres(state)
        return postgres.dsn, postgres.server
    if name is Name.KAFKA:
        kafka = obtain_kafka(state, cache, wait=False)
        return kafka.address, kafka.broker
    zipkin = obtain_zipkin(state, cache, wait=False)
    return zipkin.address, zipkin.server


def _names(only: str) -> list[Name]:
    try:
        return [Name(word.strip()) for word in only.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; choose from {Every}") from error


def _fail(error: Exception) -> None:
    console.print(str(error), style="red", markup=False, highlight=False)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
