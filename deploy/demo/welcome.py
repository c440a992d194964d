"""What a launch prints once ready."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.demo.students import Student, people
from deploy.local.identity.people import SITUATIONS, Person
from deploy.local.running_services import RunningServices
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.manifests import DepartmentManifest

EXAMPLE = ("library", "thesis-approved")
"""Desk and operation that clear the first nearly clear student's last check."""


def print_welcome(console: Console, services: RunningServices, students: Sequence[Student]) -> None:
    console.print(_addresses(services))
    console.print("Sign in as one of these (no password; the sign-in page lists them and finds the others):")
    console.print(_people(students, services.departments))
    department = EXAMPLE[0]
    if department in services.departments:
        console.print(f"Watch a check turn clear: sign in as {students[0].name}, then in another terminal")
        command = curl(students[0].student_id, services.address(department), services.accounts.token_file(department))
        console.print(command, markup=False, highlight=False)
        console.print()


def curl(student_id: str, address: str, token: Path) -> str:
    """For a POSIX shell in the folder the launcher was started in."""
    shown = shlex.quote(os.path.relpath(token) if token.is_relative_to(Path.cwd()) else str(token))
    return (
        f"  curl -sS {address}/operations/{EXAMPLE[1]} \\\n"
        f'    -H "Authorization: Bearer $(cat {shown})" \\\n'
        f'    -H "Idempotency-Key: try-$(date +%s)" \\\n'
        f"    -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"student_id": "{student_id}"}}\''
    )


def _addresses(services: RunningServices) -> Table:
    table = _table()
    table.add_row("离校服务", "student pages", f"{services.address(GATEWAY)}/")
    table.add_row("部门工作台", "staff pages", f"{services.address(GATEWAY)}/staff")
    table.add_row("Zipkin", "traces", f"{services.zipkin}/zipkin/")
    table.add_row("仪表盘", "dashboards, alerts", "make dashboards, in another terminal")
    for name, department in services.departments.items():
        table.add_row(department.title.zh, f"{name} desk API", f"{services.operator_address(name)}/docs")
    table.add_row("名单", "roster and operations API", f"{services.operator_address(CLEARANCE)}/docs")
    return table


def _people(students: Sequence[Student], departments: Mapping[str, DepartmentManifest]) -> Table:
    table = _table()
    everyone = people(students, departments)
    for key, situation in SITUATIONS.items():
        names = "  ".join(_shown(person) for person in everyone if person.situation == key)
        if names:
            table.add_row(situation.zh, situation.en, names)
    return table


def _shown(person: Person) -> str:
    return f"{person.name}（{person.office}）" if person.office else person.name


def _table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    return table
