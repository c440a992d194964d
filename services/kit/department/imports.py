from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.kit.department.desk import Desk
from services.kit.imports.spec import ImportSpec, Outcome, plain_refusal
from services.kit.manifests import DepartmentManifest
from services.kit.message_format import fill
from services.kit.names import desk_role as desk_role
from services.kit.operations import Refused
from services.kit.postgres.pool import Connection

STUDENT_ID: Final = {"学号": "student_id", "student id": "student_id"}


def refusal_of(department: DepartmentManifest) -> Callable[[Refused], str]:
    """Refusals in the words of a department's manifest, Chinese first; those it has no words for by their code."""

    def words(refused: Refused) -> str:
        text = department.refusals.get(refused.reason.code)
        if text is None:
            return plain_refusal(refused)
        parameters = refused.reason.parameters
        return f"{fill(text.zh, parameters, 'zh')} {fill(text.en, parameters, 'en')}"

    return words


def department_import(
    desk: Desk[Any], *, headings: Mapping[str, str], refusal: Callable[[Refused], str] = plain_refusal
) -> ImportSpec[Any]:
    """The import of a department: each row is one change at its desk, with the status it makes and its outbox row."""
    rules = desk.rules

    async def apply(connection: Connection, row: Any, now: datetime) -> Outcome:
        changed = await desk.change_in(connection, row.student_id, lambda record: rules.apply_row(record, row), now=now)
        return "applied" if changed.applied else "unchanged"

    return ImportSpec(
        kind=rules.name,
        row=rules.import_row,
        headings={**STUDENT_ID, **headings},
        apply=apply,
        role=desk_role(rules.name),
        after_commit=desk.bell.ring,
        refusal=refusal,
    )
