"""The commands of a service that are about the chain of its audit."""

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from aiokafka.errors import KafkaError

from services.kit.audit.chain import ChainReport, Head, verify
from services.kit.audit.heads import KeptHead, append_head, read_heads, standing
from services.kit.audit.log import append_entry, command_line_actor
from services.kit.manifests import discover
from services.kit.messaging.audit_heads.anchor import publish
from services.kit.messaging.audit_heads.topic import published_heads
from services.kit.postgres.command_line import connected, one_transaction
from services.kit.settings import Settings, load
from services.kit.signing.configured import verifier_of

Heads = Annotated[
    Path | None,
    typer.Option(help="File of heads, one line more with each run without a problem (LIXIAO_AUDIT_HEADS)."),
]
_ACCEPT: str = "if the database was restored from a backup, say so with `audit accept`"


def add_chain_commands(commands: typer.Typer, service: str) -> None:
    @commands.command("verify")
    def verify_command(
        head: Annotated[str | None, typer.Option(help="SEQ:HASH, a head that an earlier run printed.")] = None,
        heads: Heads = None,
        without_kafka: Annotated[bool, typer.Option(help="Do not compare with the heads in Kafka.")] = False,
    ) -> None:
        """Check every seal, and compare with the heads in Kafka and in the file; exits with 1 if anything differs."""
        settings = load(Settings)
        file = heads or settings.audit_heads
        try:
            wanted = standing(read_heads(file, service)) if file else []
            wanted += [Head.parse(head)] if head else []
            wanted += [] if without_kafka else asyncio.run(_in_kafka(settings, service))
            report = asyncio.run(_verified(settings, wanted))
        except (ValueError, LookupError, OSError, KafkaError, asyncpg.PostgresError) as error:
            typer.echo(f"audit: {str(error) or type(error).__name__}", err=True)
            raise typer.Exit(2) from None
        _print(report, len(wanted))
        if report.problems:
            raise typer.Exit(1)
        if file:
            _keep(file, service, KeptHead(report.head))

    @commands.command("accept")
    def accept_command(
        why: Annotated[str, typer.Option(help="For the audit, as `restored last night's backup`.")], heads: Heads = None
    ) -> None:
        """Take the chain as it ends now, after a restore: heads kept before count no longer. Audited."""
        settings = load(Settings)
        try:
            report = asyncio.run(_accepted(settings, service, why))
        except (OSError, asyncpg.PostgresError) as error:
            typer.echo(f"audit: {error}", err=True)
            raise typer.Exit(2) from None
        _print(report, 0)
        if report.problems:
            raise typer.Exit(1)
        if file := heads or settings.audit_heads:
            _keep(file, service, KeptHead(report.head, accepted=True))
        typer.echo("accepted; the running service publishes it")


async def _in_kafka(settings: Settings, service: str) -> list[Head]:
    signed = verifier_of(settings, discover(settings.services_folder))
    found = await published_heads(settings.kafka_connection, settings.topics.audit(service), verify=signed)
    if found.ignored:
        typer.echo(f"{found.ignored} records of the topic are not this service's, and do not count", err=True)
    for each in found.kept:
        if each.accepted:
            typer.echo(f"accepted by an operator: the chain as it ended at seal {each.head.seq}")
    return standing(found.kept)


async def _verified(settings: Settings, heads: list[Head]) -> ChainReport:
    async with connected(settings.database) as connection:
        return await verify(connection, heads=heads)


async def _accepted(settings: Settings, service: str, why: str) -> ChainReport:
    report = await _verified(settings, [])
    if report.problems:
        return report
    async with one_transaction(settings.database) as connection:
        details = {"seal": report.head.seq, "why": why}
        await append_entry(
            connection, actor=command_line_actor(), act="audit.accept", outcome="accepted", details=details
        )
        await publish(connection, service, settings.topics.audit(service), KeptHead(report.head, accepted=True))
    return report


def _keep(file: Path, service: str, kept: KeptHead) -> None:
    try:
        append_head(file, service, kept)
    except OSError as error:
        typer.echo(f"audit: the head is not added to {file}: {error.strerror}", err=True)
        raise typer.Exit(2) from None


def _print(report: ChainReport, compared: int) -> None:
    for problem in report.problems:
        typer.echo(problem, err=True)
    if report.is_cut:
        typer.echo(_ACCEPT, err=True)
    typer.echo(f"{report.sealed} sealed, {report.unsealed} not yet sealed, {len(report.problems)} problems")
    typer.echo(f"compared with {compared} heads kept elsewhere")
    typer.echo(f"head {report.head}")
