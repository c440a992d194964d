"""What a launcher says when everything is up: where to look, whom to sign in as, and what to try first. Pure."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.demo.students import Student
from deploy.local.identity.people import SITUATIONS
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.manifests import DepartmentManifest

TRIED = ("library", "thesis-approved")
"""The desk and operation that turn the last red line of the first nearly clear student."""


def say_addresses(
    console: Console, addresses: Mapping[str, str], departments: Mapping[str, DepartmentManifest], zipkin: str
) -> None:
    """The pages of the students, of the traces, and of each desk's API."""
    table = _table()
    table.add_row("离校服务", "the students' pages", f"{addresses[GATEWAY]}/")
    table.add_row("Zipkin", "traces", f"{zipkin}/zipkin/")
    for name, department in departments.items():
        table.add_row(department.title.zh, f"{name}: its desk's API", f"{addresses[name]}/docs")
    table.add_row("名单", "roster and operation", f"{addresses[CLEARANCE]}/docs")
    console.print(table)


def say_people(console: Console, students: Sequence[Student], staff: Sequence[Mapping[str, object]]) -> None:
    """Whom to sign in as: those with a part to play."""
    console.print("Sign in as (no password; the sign-in page lists them and finds the others):")
    table = _table()
    for key, situation in SITUATIONS.items():
        names = [one.name for one in students if one.situation == key]
        names += [str(one["name"]) for one in staff if one["situation"] == key]
        if names:
            table.add_row(situation.zh, situation.en, "  ".join(names))
    console.print(table)


def say_example(console: Console, student: Student, address: str, token: Path) -> None:
    """A request to a desk that turns the last red line of `student`, as it can be pasted into a shell."""
    console.print(f"Watch a line turn: sign in as {student.name}, then in another terminal")
    console.print(curl(student.student_id, address, token), markup=False, highlight=False)
    console.print()


def curl(student_id: str, address: str, token: Path) -> str:
    """The request, for a POSIX shell in the folder the launcher was started in."""
    shown = os.path.relpath(token) if token.is_relative_to(Path.cwd()) else token
    return (
        f"  curl -sS {address}/operations/{TRIED[1]} \\\n"
        f'    -H "Authorization: Bearer $(cat {shown})" \\\n'
        f'    -H "Idempotency-Key: try-$(date +%s)" \\\n'
        f"    -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"student_id": "{student_id}"}}\''
    )


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.title = None
    return table
