"""Operator commands; they need no running service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from schemas.flows import CLEARANCE
from schemas.student_ids import canonical_student_id
from services.clearance.approvals.actions import ActionRefused
from services.clearance.exemptions.policy_changes import PolicyChanges, policy_changes
from services.clearance.forgetting.forget import Decided, Forgetting
from services.clearance.parts import policy_of, projector_of, replay_handlers, roster_of
from services.clearance.receipts.configured import keyring_of
from services.clearance.receipts.private_keys.store import KeyMissing
from services.clearance.roster.case_store import roster_attributes
from services.clearance.settings import ClearanceSettings
from services.clearance.submission.after_acceptance.signing_again import FIRST, NotToBeReplaced, SigningAgain
from services.clearance.submission.republication import CasePublisher
from services.clearance.view.projector import PROJECTOR, status_topics
from services.clearance.view.rebuilding.rebuild import rebuild
from services.clearance.view.rebuilding.topic_reader import RebuildFailed
from services.kit.audit.log import command_line_actor
from services.kit.clearance_policy import read_policy
from services.kit.manifests import discover, required_checks
from services.kit.messaging.dead_letters.cli import DeadLetterStore, dead_letters_of
from services.kit.postgres.command_line import connected, one_transaction
from services.kit.postgres.pool import open_pool
from services.kit.runtime.gc_tuning import tune_gc
from services.kit.settings import load
from services.kit.student_numbers import use_number_form

_out = Console(soft_wrap=True)


def open_dead_letters() -> AbstractAsyncContextManager[DeadLetterStore]:
    settings = load(ClearanceSettings)
    return dead_letters_of(
        settings.database, CLEARANCE, lambda pool: replay_handlers(settings, projector_of(settings, pool))
    )


@asynccontextmanager
async def open_publisher() -> AsyncIterator[tuple["asyncpg.Pool[Any]", CasePublisher]]:
    settings = load(ClearanceSettings)
    use_number_form(settings.number_form)
    pool = await open_pool(settings.database, name=f"{CLEARANCE}.command", max_size=2)
    try:
        yield pool, CasePublisher(roster_of(settings), settings.topics)
    finally:
        await pool.close()


def rebuild_view(
    check: Annotated[bool, typer.Option("--check", help="Compare only.")] = False,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Switch to the rebuilt view even if it differs.")
    ] = False,
) -> None:
    """Rebuild the view from the topics, compare it with the live one, and switch if they are equal."""
    settings = load(ClearanceSettings)
    tune_gc()
    with Progress("records", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_out) as bar:
        task = bar.add_task("fold", total=None)
        try:
            compared = asyncio.run(
                rebuild(
                    settings.owner_database,
                    kafka=settings.kafka_connection,
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


def checks_that_apply(
    file: Annotated[Path, typer.Option("--file", help="The clearance.toml to try.", exists=True, dir_okay=False)],
    only_counts: Annotated[bool, typer.Option("--only-counts", help="Print no student numbers.")] = False,
) -> None:
    """Dry run of another clearance.toml on the whole roster: whose checks would change. Changes nothing."""
    settings = load(ClearanceSettings)
    try:
        new = read_policy(file, required_checks(discover(settings.services_folder)))
    except ValueError as wrong:
        _out.print(str(wrong), markup=False)
        raise typer.Exit(2) from None
    found = policy_changes(asyncio.run(_roster(settings)), policy_of(settings), new)
    if not only_counts:
        for change in found.changes:
            _out.print(f"{change.student_id}  {change.what}: {change.now} -> {change.then}", markup=False)
    _print_counts(found)


def forget_student(
    student_id: Annotated[str, typer.Argument(help="The student number.")],
    why: Annotated[str, typer.Option(help="The reason, for the audit.", prompt=True)],
) -> None:
    """Forget a student everywhere whose departure is finished. The running services do it within moments."""
    settings = load(ClearanceSettings)
    number = canonical_student_id(student_id)
    if number is None:
        raise typer.BadParameter("it is no student number")
    if not why.strip():
        raise typer.BadParameter("a reason is required", param_hint="--why")
    try:
        erased = asyncio.run(_forget(settings, number, Decided(command_line_actor(), why.strip()[:200])))
    except ActionRefused as refused:
        _out.print(f"refused: {refused.title}. {refused.remedy}", markup=False)
        raise typer.Exit(1) from None
    for table, count in sorted(erased.items()):
        _out.print(f"{table}: {count}", markup=False)
    _out.print(f"forgotten here: {sum(erased.values())} rows; the other services follow")


def sign_forms_again(
    kid: Annotated[str, typer.Argument(help="The key that leaked: retired or revoked.")],
) -> None:
    """Sign the standing forms of a retired key again with the key that signs now: same number, same content."""
    settings = load(ClearanceSettings)
    try:
        unsound = asyncio.run(_sign_again(settings, kid))
    except (NotToBeReplaced, KeyMissing) as refused:
        _out.print(str(refused), markup=False)
        raise typer.Exit(1) from None
    for number in unsound:
        _out.print(f"not signed again, its signature does not fit: {number}", markup=False)
    if unsound:
        raise typer.Exit(1)


async def _sign_again(settings: ClearanceSettings, kid: str) -> list[str]:
    """The numbers of forms that were not. Interrupted, the next call goes on."""
    signing, after, signed = SigningAgain(keyring_of(settings), settings.topics.submission), FIRST, 0
    unsound: list[str] = []
    async with connected(settings.database) as connection:
        while True:
            async with connection.transaction():
                batch = await signing.batch(connection, kid, after=after, actor=command_line_actor())
            signed, after = signed + batch.signed, batch.last or after
            unsound += batch.unsound
            _out.print(f"{signed} forms signed again", markup=False)
            if batch.last is None:
                return unsound


async def _forget(settings: ClearanceSettings, student_id: str, decided: Decided) -> dict[str, int]:
    async with one_transaction(settings.database) as connection:
        return await Forgetting(settings.topics).forget(connection, student_id, decided)


def _print_counts(found: PolicyChanges) -> None:
    concerned = len({change.student_id for change in found.changes})
    _out.print(f"{found.students} students on the roster, {concerned} with a change")
    for (what, now, then), count in sorted(found.counts.items()):
        _out.print(f"{what}: {now} -> {then}: {count}", markup=False)
    for (attribute, value), count in sorted(found.unnamed.items()):
        _out.print(f"{attribute} {value or '(none)'}: no rule names it: {count}", markup=False)


async def _roster(settings: ClearanceSettings) -> list[tuple[str, dict[str, str | None]]]:
    async with connected(settings.database) as connection:
        return await roster_attributes(connection)
