"""The `audit` commands of a service, which need not run."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic_settings import BaseSettings

from schemas.flows import GATEWAY
from schemas.student_ids import canonical_student_id
from services.kit.audit.log import append_look_up, command_line_actor
from services.kit.audit.trail import AuditEntry, of_actor, of_student
from services.kit.audit.unasked import asked_commands, unasked
from services.kit.postgres.command_line import connected
from services.kit.postgres.pool import Connection
from services.kit.settings import PREFIX, DatabaseSettings, Dsn, load


class AuditSettings(DatabaseSettings):
    database: Dsn


class EveryDatabase(BaseSettings):
    model_config = DatabaseSettings.model_config

    databases: Path | None = None
    """As `python -m services.kit.provisioning databases` writes it."""


_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
Databases = Callable[[], dict[str, str]]
"""DSNs by service."""
Ask = Callable[[Connection], AsyncIterator[AuditEntry]]


def own_database() -> dict[str, str]:
    return {"": load(AuditSettings).database}


def databases_of_all() -> dict[str, str]:
    """Those of the file LIXIAO_DATABASES, else the one of LIXIAO_DATABASE."""
    file = load(EveryDatabase).databases
    if file is None:
        return own_database()
    return {service: variables[f"{PREFIX}DATABASE"] for service, variables in json.loads(file.read_text()).items()}


def audit_commands(databases: Databases) -> typer.Typer:
    commands = typer.Typer(help="Who touched a student, and what a person did.", no_args_is_help=True)

    @commands.command("of-student")
    def student(
        student: Annotated[str, typer.Option(prompt="Student number", help="Asked for; argument lists are public.")],
    ) -> None:
        """Print every entry about a student: personal data. The look is audited itself."""
        number = canonical_student_id(student)
        if number is None:
            raise typer.BadParameter("it is no student number")
        _print(databases(), "audit.of-student", lambda db: of_student(db, number), number)

    @commands.command("of-actor")
    def actor(
        name: Annotated[str, typer.Argument(help="As the audit has it, or the account behind `gateway: …`.")],
        since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC.")] = _EVER,
    ) -> None:
        """Print what a person, token or service did and looked at: personal data. The look is audited itself."""
        _print(databases(), "audit.of-actor", lambda db: of_actor(db, name, since.replace(tzinfo=UTC)), None, of=name)

    return commands


def unasked_commands(
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC.")] = _EVER,
) -> None:
    """Compare all databases of LIXIAO_DATABASES: commands acted upon that no session of the gateway's audit asked for.

    Exits with 1 if there are any, and prints them: personal data.
    """
    count = asyncio.run(_unasked(databases_of_all(), since.replace(tzinfo=UTC)))
    typer.echo(f"{count} commands that no session asked for", err=True)
    if count:
        raise typer.Exit(1)


async def _unasked(databases: dict[str, str], since: datetime) -> int:
    if GATEWAY not in databases:
        raise typer.BadParameter("LIXIAO_DATABASES has no gateway")
    async with connected(databases.pop(GATEWAY)) as gateway:
        known = await asked_commands(gateway)
    count = 0
    for service, dsn in databases.items() if known.first else ():
        async with connected(dsn) as connection:
            async for entry, problem in unasked(connection, service, known, max(since, known.first or since)):
                count += 1
                typer.echo(_line(service, entry, problem=problem))
    return count


def _print(databases: dict[str, str], act: str, ask: Ask, student_id: str | None, **details: str) -> None:
    count = asyncio.run(_printed(databases, act, ask, student_id, details))
    typer.echo(f"{count} entries", err=True)


async def _printed(
    databases: dict[str, str], act: str, ask: Ask, student_id: str | None, details: dict[str, str]
) -> int:
    """A database after the other, each by time."""
    count = 0
    for service, dsn in databases.items():
        async with connected(dsn) as connection:
            async for entry in ask(connection):
                count += 1
                typer.echo(_line(service, entry))
            await append_look_up(connection, actor=command_line_actor(), act=act, students=[student_id], **details)
    return count


def _line(service: str, entry: AuditEntry, **more: str) -> str:
    """JSON, for a person and for `jq`."""
    return json.dumps(
        {
            "at": entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            **({"service": service} if service else {}),
            "actor": entry.actor,
            "act": entry.act,
            "outcome": entry.outcome,
            "student": entry.student_id,
            **entry.details,
            **more,
        },
        ensure_ascii=False,
    )
