"""The command line of a department's service. What opens the database needs no running service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import typer

from services.kit.cli import service_cli
from services.kit.department.desk import Desk
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.recovery.republication import StatusPublisher
from services.kit.department.rounds.hold_commands import hold_commands
from services.kit.department.rounds.holds import Holds
from services.kit.department.service import department_app
from services.kit.department.subscriptions import replay_handlers
from services.kit.http.serving.server import serve
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.cli import DeadLetterStore
from services.kit.messaging.outbox import Wakeup
from services.kit.names import OPERATOR, desk_role
from services.kit.postgres.pool import open_pool
from services.kit.republishing.cli import republish_command
from services.kit.rules.department_rules import DepartmentRules
from services.kit.settings import Settings, load
from services.kit.student_numbers import use_number_form
from services.kit.tokens.cli import token_commands


def run_department(rules: DepartmentRules[Any]) -> None:
    department_commands(rules)()


def department_commands(rules: DepartmentRules[Any]) -> typer.Typer:
    def run() -> None:
        settings = load(Settings)
        serve(department_app(rules, settings), settings)

    dead_letters = partial(_open_dead_letters, rules)
    title = f"The {rules.name} service"
    cli = service_cli(rules.name, title, serve=run, dead_letters=dead_letters, migrations=DEPARTMENT_FOLDERS)
    cli.add_typer(token_commands({desk_role(rules.name), OPERATOR}), name="tokens")
    cli.command("republish")(republish_command(partial(_open_publisher, rules)))
    cli.add_typer(hold_commands(partial(_open_holds, rules)), name="holds")
    return cli


@asynccontextmanager
async def _open_desk(rules: DepartmentRules[Any], settings: Settings) -> AsyncIterator[Desk[Any]]:
    """Nobody waits for its wakeup: the relay of the running service polls the outbox."""
    use_number_form(settings.number_form)
    department = discover(settings.services_folder)[rules.name]
    pool = await open_pool(settings.database, name=f"{rules.name}.command", max_size=2)
    try:
        yield Desk(rules, pool, settings.topics, Wakeup(), department)
    finally:
        await pool.close()


@asynccontextmanager
async def _open_holds(rules: DepartmentRules[Any]) -> AsyncIterator[Holds]:
    settings = load(Settings)
    async with _open_desk(rules, settings) as desk:
        yield Holds(desk, settings.topics, grace_s=settings.hold_grace_s)


@asynccontextmanager
async def _open_dead_letters(rules: DepartmentRules[Any]) -> AsyncIterator[DeadLetterStore]:
    settings = load(Settings)
    async with _open_desk(rules, settings) as desk:
        yield DeadLetterStore(desk.pool, replay_handlers(desk, settings))


@asynccontextmanager
async def _open_publisher(rules: DepartmentRules[Any]) -> AsyncIterator[tuple["asyncpg.Pool[Any]", StatusPublisher]]:
    async with _open_desk(rules, load(Settings)) as desk:
        yield desk.pool, StatusPublisher(desk)
