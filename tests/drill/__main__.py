"""`make drill`: breaks a small installation in every way that docs/recovery.md has a runbook for, and times it.

For each event: what it breaks, how long until it was noticed and by what, how long until page, record and topic agreed
again, and by what. `python -m tests.drill --write` puts the table into docs/recovery.md once every event has healed.
"""

import asyncio
import logging
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from rich.console import Console

from deploy.local.installation import Installation
from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from tests.drill.events import EVENTS, Event
from tests.drill.play import Played, play
from tests.drill.stage import ALIVE_EVERY_S, Stage
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "recovery.md"
BEGIN: Final = "<!-- make drill -->\n"
END: Final = "<!-- /make drill -->\n"
HEAD: Final = "| event | what it breaks | noticed after | by | healed after | by |\n|---|---|---|---|---|---|\n"
console = Console(soft_wrap=True, highlight=False)


def main(
    students: Annotated[int, typer.Option(min=2, max=500, help="invented students")] = 40,
    only: Annotated[str, typer.Option(help="a part of the event's name")] = "",
    write: Annotated[bool, typer.Option("--write", help="write the table into docs/recovery.md")] = False,
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if write and only:
        raise typer.BadParameter("the table has every event: --write goes without --only")
    events = [event for event in EVENTS if only in event.name]
    with ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "drill"))
        postgres = Postgres(state.folder)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        broker = Kafka(state.folder)
        broker.start().wait_ready()
        stack.callback(broker.stop)
        played = asyncio.run(_play(postgres.address, broker, students, events))
    all_healed = len(played) == len(events)
    if write and all_healed:
        put_table(PAGE, played)
    raise typer.Exit(not all_healed)


async def _play(postgres: str, broker: Kafka, students: int, events: list[Event]) -> list[Played]:
    played: list[Played] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = {"LIXIAO_ALIVE_EVERY_S": ALIVE_EVERY_S}
        installation = Installation(Path(folder), postgres=postgres, kafka=broker.address, settings=settings)
        stage = Stage(installation, broker, postgres)
        try:
            await stage.begin(students)
            console.print(f"{students} students, {len(stage.names)} services, a change every 0.1 s")
            for event in events:
                await stage.mend()
                console.print(f"\n[bold]{event.name}[/]: {event.breaks}")
                try:
                    played.append(await play(stage, event))
                except AssertionError as failed:
                    console.print(f"  [red]not healed[/]: {failed}")
                    continue
                console.print(f"  {_sentence(played[-1])}")
        finally:
            await installation.close()
    return played


def _sentence(one: Played) -> str:
    noticed = f"noticed after {one.noticed_s:.0f} s: {one.event.signal}; " if one.noticed_s is not None else ""
    return f"{noticed}page, record and topic agreed after {one.healed_s:.0f} s, {one.event.healed_by}"


def table(played: Iterable[Played]) -> str:
    return HEAD + "".join(
        f"| {one.event.name} | {one.event.breaks} | {_seconds(one.noticed_s)} | {one.event.signal or '-'} |"
        f" {_seconds(one.healed_s)} | {one.event.healed_by} |\n"
        for one in played
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"


def put_table(page: Path, played: Iterable[Played]) -> None:
    text = page.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{table(played)}{END}{after}", "utf-8")


if __name__ == "__main__":
    typer.run(main)
