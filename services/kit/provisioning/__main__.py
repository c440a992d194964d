"""Create an installation's topics and databases; idempotent."""

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from aiokafka.errors import KafkaError
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import KEPT_DAYS, Topics
from services.kit.manifests import SERVICES, discover
from services.kit.provisioning.databases import Provisioned, create_databases
from services.kit.provisioning.topics import TopicMismatch, TopicReport, create_topics
from services.kit.settings import PREFIX, Bootstrap, Dsn, TopicDays, load
from services.kit.signing.keys import create_key

__all__ = ["Provisioned", "TopicMismatch", "TopicReport", "create_databases", "create_topics"]


class TopicSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    kafka: Bootstrap
    namespace: str = "lixiao"
    services_folder: Path = SERVICES
    replication_factor: Annotated[int, Field(ge=1, le=9)] | None = None
    topic_days: TopicDays = KEPT_DAYS


class ServerSettings(BaseSettings):
    """LIXIAO_POSTGRES is a superuser's DSN."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    postgres: Dsn
    namespace: str = "lixiao"
    services_folder: Path = SERVICES


app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


@app.command("signing-key")
def signing_key_command(
    service: Annotated[str, typer.Argument(help="The service that signs with it, as `library` or `clearance`.")],
    private: Annotated[Path, typer.Option(help="PEM file for LIXIAO_SIGNING_KEY of this service; made or replaced.")],
    trusted: Annotated[Path, typer.Option(help="Folder for LIXIAO_TRUSTED_KEYS of every service.")],
) -> None:
    """Create a key that a service signs its records with, beside those it had.

    To rotate: create the key with another private file, hand the public file to every service, then replace the
    private file. To revoke: remove the public file.
    """
    typer.echo(create_key(private, trusted, service))


@app.command("topics")
def topics_command() -> None:
    """Create every department's topics, with their configuration, on LIXIAO_KAFKA."""
    settings = load(TopicSettings)
    departments = discover(settings.services_folder)
    try:
        report = asyncio.run(
            create_topics(
                settings.kafka,
                Topics(settings.namespace),
                departments,
                replication_factor=settings.replication_factor,
                days=settings.topic_days,
            )
        )
    except (TopicMismatch, KafkaError) as error:
        typer.echo(f"topics: {error}", err=True)
        raise typer.Exit(1) from None
    for title, names in (("created", report.created), ("altered", report.altered), ("remark", report.remarks)):
        for name in names:
            typer.echo(f"{title}: {name}")
    typer.echo(f"{len(report.created)} created, {len(report.altered)} altered, {len(report.unchanged)} unchanged")


@app.command("databases")
def databases_command(
    secrets: Annotated[Path, typer.Option(help="JSON file of the DSNs, kept between runs; made with mode 0600.")],
) -> None:
    """Create a role and a database for each service on LIXIAO_POSTGRES, and write their DSNs to the secrets file."""
    settings = load(ServerSettings)
    departments = list(discover(settings.services_folder))
    try:
        done = asyncio.run(create_databases(settings.postgres, departments, secrets, namespace=settings.namespace))
    except (asyncpg.PostgresError, OSError, ValueError) as error:
        typer.echo(f"databases: {error}", err=True)
        raise typer.Exit(1) from None
    _print(done)


def _print(done: Provisioned) -> None:
    for name in done.created:
        typer.echo(f"created: {name}")
    typer.echo(f"{len(done.created)} created, {len(done.unchanged)} unchanged")


if __name__ == "__main__":
    app()
