"""The `holds` command of a department's service, which need not run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated
from uuid import UUID

import typer

from services.kit.audit.log import command_line_actor
from services.kit.department.rounds.holds import HoldRefused, Holds

OpenHolds = Callable[[], AbstractAsyncContextManager[Holds]]


def hold_commands(opened: OpenHolds) -> typer.Typer:
    commands = typer.Typer(help="List holds, or release one whose attempt is over.", no_args_is_help=True)

    def with_holds(work: Callable[[Holds], Awaitable[None]]) -> None:
        async def run() -> None:
            async with opened() as holds:
                await work(holds)

        asyncio.run(run())

    @commands.command("list")
    def list_holds() -> None:
        """Those that end first, without personal data."""

        async def work(holds: Holds) -> None:
            found = await holds.list_holds()
            for one in found:
                state = "overdue" if one.overdue else "held"
                typer.echo(
                    f"{one.attempt_id}  {state}  since {one.placed_at:%Y-%m-%d %H:%M:%S}, "
                    f"life until {one.expires_at:%Y-%m-%d %H:%M:%S} UTC"
                )
            if not found:
                typer.echo("There are none.")

        with_holds(work)

    @commands.command("release")
    def release(
        attempt_id: UUID,
        reason: Annotated[str, typer.Option(help="For the audit.", prompt=True)],
    ) -> None:
        """Release the hold of an attempt whose life is over. It ends by itself a little later."""
        if not reason.strip():
            raise typer.BadParameter("a reason is required", param_hint="--reason")

        async def work(holds: Holds) -> None:
            try:
                found = await holds.release(attempt_id, by=command_line_actor(), reason=reason.strip()[:200])
            except HoldRefused:
                typer.echo("The attempt may still be accepted: wait until its life is over.", err=True)
                raise typer.Exit(1) from None
            if not found:
                typer.echo("There is no hold of this attempt; see `holds list`.", err=True)
                raise typer.Exit(1)
            typer.echo("released")

        with_holds(work)

    return commands
