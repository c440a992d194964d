"""Operator commands; they need no running service."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from schemas.flows import CLEARANCE
from services.clearance.app import projector_of, replay_handlers
from services.clearance.settings import ClearanceSettings
from services.clearance.view.projector import PROJECTOR, status_topics
from services.clearance.view.rebuild import rebuild
from services.clearance.view.refold import RebuildFailed
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.cli import DeadLetterStore, dead_letters_of
from services.kit.settings import load

_out = Console(soft_wrap=True)


def open_dead_letters() -> AbstractAsyncContextManager[DeadLetterStore]:
    settings = load(ClearanceSettings)
    return dead_letters_of(
        settings.database, CLEARANCE, lambda pool: replay_handlers(settings, projector_of(settings, pool))
    )


def rebuild_view(
    check: Annotated[bool, typer.Option("--check", help="Compare only.")] = False,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Switch to the rebuilt view even if it differs.")
    ] = False,
) -> None:
    """Rebuild the view from the topics, compare it with the live one, and switch if they are equal."""
    settings = load(ClearanceSettings)
    with Progress("records", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_out) as bar:
        task = bar.add_task("fold", total=None)
        try:
            compared = asyncio.run(
                rebuild(
                    settings.database,
                    kafka=settings.kafka,
                    group=settings.topics.group(PROJECTOR),
                    topics=status_topics(settings.topics, list(discover(settings.services_folder))),
                    switch=not check,
                    accept_differences=accept_differences,
                    progress=lambda done, of: bar.update(task, completed=done, total=of),
                )
            )
        except RebuildFailed as failed:
            _out.print(str(failed), markup=False)
            raise typer.Exit(2) from None
    _out.print(f"rows: {compared.live_rows} live, {compared.rebuilt_rows} rebuilt, {compared.differing} differing")
    _out.print(f"hash: {compared.live_hash[:16]} live, {compared.rebuilt_hash[:16]} rebuilt")
    _out.print(f"{compared.records} records in {compared.took_s:.1f} s")
    _out.print("switched" if compared.switched else "not switched: the live view is unchanged")
    if not compared.equal and not compared.switched:
        raise typer.Exit(1)
