"""Create an installation's topics, databases, users of Kafka and ACLs; idempotent."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from aiokafka.errors import KafkaError
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from schemas.flows import SHARED
from schemas.topics import KEPT_DAYS, Topics
from services.kit.kafka.settings import KafkaSettings
from services.kit.manifests import SERVICES, discover
from services.kit.provisioning.acl_requests import Acl, Operation, Pattern, Resource
from services.kit.provisioning.acls import PRINCIPAL, AclsRefused, set_acls
from services.kit.provisioning.databases import Provisioned, create_databases
from services.kit.provisioning.kafka_users import create_users
from services.kit.provisioning.secrets_folder import SecretsFolder
from services.kit.provisioning.topics import TopicMismatch, TopicReport, create_topics
from services.kit.settings import PREFIX, DatabaseSettings, Dsn, TopicDays, load
from services.kit.signing.keys import create_key

__all__ = ["Provisioned", "TopicMismatch", "TopicReport", "create_databases", "create_topics"]


class TopicSettings(KafkaSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    namespace: str = "lixiao"
    services_folder: Path = SERVICES
    replication_factor: Annotated[int, Field(ge=1, le=9)] | None = None
    topic_days: TopicDays = KEPT_DAYS


class InstallationSettings(DatabaseSettings):
    namespace: str = "lixiao"
    services_folder: Path = SERVICES


class ServerSettings(InstallationSettings):
    """LIXIAO_POSTGRES is a superuser's DSN."""

    postgres: Dsn


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


@app.command("secrets")
def secrets_command(
    folder: Annotated[Path, typer.Option(help="A folder for each service and server; what is there is kept.")],
    postgres: Annotated[str, typer.Option(help="superuser@host:port")] = "admin@postgres:5432",
    server: Annotated[
        list[str] | None, typer.Option(help="Also a certificate, as `kafka1` or `kafka=bootstrap,*.brokers`.")
    ] = None,
    public_host: Annotated[
        list[str] | None, typer.Option(help="The proxy's names, for a certificate to try with.")
    ] = None,
    trusted: Annotated[Path | None, typer.Option(help="PEM of authorities that the gateway believes as well.")] = None,
) -> None:
    """Make every secret of an installation before anything of it runs; repeat it for a new department."""
    settings = load(InstallationSettings)
    made = SecretsFolder(
        folder,
        tuple(discover(settings.services_folder)),
        postgres,
        servers={name: (hosts or name).split(",") for name, _, hosts in (each.partition("=") for each in server or ())},
        public_hosts=public_host or (),
        trusted=trusted,
        namespace=settings.namespace,
    ).write()
    typer.echo(f"{len(made)} certificates made{': ' if made else ''}{', '.join(made)}")


@app.command("topics")
def topics_command() -> None:
    """Create every department's topics, with their configuration, on LIXIAO_KAFKA."""
    settings = load(TopicSettings)
    departments = discover(settings.services_folder)
    with _reported_as("topics"):
        report = asyncio.run(
            create_topics(
                settings.kafka_connection,
                Topics(settings.namespace),
                departments,
                replication_factor=settings.replication_factor,
                days=settings.topic_days,
            )
        )
    for title, names in (("created", report.created), ("altered", report.altered), ("remark", report.remarks)):
        for name in names:
            typer.echo(f"{title}: {name}")
    typer.echo(f"{len(report.created)} created, {len(report.altered)} altered, {len(report.unchanged)} unchanged")


@app.command("kafka-users")
def kafka_users_command(
    passwords: Annotated[Path, typer.Option(help="Folder: a file with the password of each service, mode 0600.")],
    rotate: Annotated[list[str] | None, typer.Option(help="A service that gets a new password.")] = None,
) -> None:
    """Create a SCRAM-SHA-512 user for each service on LIXIAO_KAFKA, named `<namespace>.<service>`.

    Passwords that are in the folder are kept. The files are for LIXIAO_KAFKA_SASL_PASSWORD_FILE.
    """
    settings = load(TopicSettings)
    departments = list(discover(settings.services_folder))
    if unknown := set(rotate or ()) - {*departments, *SHARED}:
        raise typer.BadParameter(f"no such service: {', '.join(sorted(unknown))}")
    with _reported_as("kafka-users"):
        users = asyncio.run(
            create_users(
                settings.kafka_connection, departments, passwords, namespace=settings.namespace, rotate=rotate or ()
            )
        )
    for user in users:
        typer.echo(user)


@app.command("acls")
def acls_command(
    principal: Annotated[
        str, typer.Option(help="How the broker names a service, as `User:CN={service},O=University` with certificates.")
    ] = PRINCIPAL,
) -> None:
    """Let each service write its own topics and read what it receives on LIXIAO_KAFKA, and nothing else."""
    if principal.count("{service}") != 1:
        raise typer.BadParameter("it has to contain {service} once")
    settings = load(TopicSettings)
    with _reported_as("acls"):
        report = asyncio.run(
            set_acls(
                settings.kafka_connection,
                Topics(settings.namespace),
                discover(settings.services_folder),
                principal=principal,
            )
        )
    for title, acls in (("granted", report.granted), ("removed", report.removed)):
        for acl in acls:
            typer.echo(f"{title}: {_shown(acl)}")
    typer.echo(f"{len(report.granted)} granted, {len(report.removed)} removed, {len(report.unchanged)} unchanged")


def _shown(acl: Acl) -> str:
    verbs: dict[int, str] = {Operation.READ: "read", Operation.WRITE: "write"}
    kinds: dict[int, str] = {Resource.TOPIC: "topic", Resource.GROUP: "group"}
    verb, kind = verbs.get(acl.operation, acl.operation), kinds.get(acl.resource, acl.resource)
    return f"{acl.principal} {verb} {kind} {acl.name}{'*' if acl.pattern == Pattern.PREFIXED else ''}"


@contextmanager
def _reported_as(command: str) -> Iterator[None]:
    try:
        yield
    except (AclsRefused, TopicMismatch, KafkaError, OSError) as error:
        typer.echo(f"{command}: {error}", err=True)
        raise typer.Exit(1) from None


@app.command("databases")
def databases_command(
    secrets: Annotated[Path, typer.Option(help="JSON file of the DSNs, kept between runs; made with mode 0600.")],
) -> None:
    """Create a database with two roles for each service on LIXIAO_POSTGRES, and write the secrets file of DSNs."""
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
