"""A department's bulk import: each row is a change at the desk."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.desk import Desk, Operate, Without
from services.kit.department.examples import Examples
from services.kit.department.refusals import words_of
from services.kit.department.tables import waiting_changes
from services.kit.imports.row_instant import row_instant
from services.kit.imports.sources.source import Source
from services.kit.imports.spec import ImportSpec, RowEffect, RowSource, plain_refusal
from services.kit.manifests import DepartmentManifest
from services.kit.message_format import fill
from services.kit.messaging.outbox import Wakeup
from services.kit.names import desk_role
from services.kit.operations import Held, Refused, StillReading
from services.kit.postgres.pool import Connection
from services.kit.rules.evidence import ActEvidence
from services.kit.rules.reasons import ROW_IMPORTED

STUDENT_ID: Final = {"学号": "student_id", "XH": "student_id", "student id": "student_id"}
AS_OF: Final = {"数据时间": "as_of", "as of": "as_of"}


def import_headings(department: DepartmentManifest, row: type[BaseModel]) -> dict[str, str]:
    """Heading → field."""
    return {**STUDENT_ID, **(AS_OF if "as_of" in row.model_fields else {}), **department.headings}


def refusal_text(department: DepartmentManifest) -> Callable[[Refused], str]:
    def text_of(refused: Refused) -> str:
        text = words_of(department, refused.reason.code)
        if text is None:
            return plain_refusal(refused)
        parameters = refused.reason.parameters
        return f"{fill(text.zh, parameters, 'zh')} {fill(text.en, parameters, 'en')}"

    return text_of


def department_import(
    desk: Desk[Any],
    department: DepartmentManifest,
    examples: Examples | None = None,
    sources: Mapping[str, Source] | None = None,
    evidence: EvidenceActs | None = None,
) -> ImportSpec[Any]:
    rules = desk.rules

    def change(row: Any) -> tuple[Operate[Any], ActEvidence]:
        return lambda record: (rules.apply_row(record, row), ROW_IMPORTED()), rules.evidence_of_row(row)

    def without(row: Any) -> Without[Any] | None:
        row_without = rules.row_without
        # Rejected, a row leaves a question about all its items.
        if row_without is None or desk.reject_outdated:
            return None
        return lambda items: change(row_without(row, items))

    async def apply(connection: Connection, row: Any, source: RowSource, now: datetime) -> RowEffect:
        as_of = row_instant(getattr(row, "as_of", None), source, desk.zone, now)
        operate, evidence = change(row)
        try:
            result = await desk.change_in(
                connection,
                row.student_id,
                operate,
                now=now,
                evidence=evidence,
                without=without(row),
                by=source.sent_by,
                job_id=source.job_id,
                as_of=as_of,
                refuse_unknown=desk.refuse_unknown,
                batch=source.batch,
            )
        except Exception:
            # The lock on the coverage goes with the row's savepoint.
            if source.batch is not None and not source.batch.together:
                source.batch.coverages.clear()
            raise
        return RowEffect("applied" if result.applied else "unchanged", result.standing, version=result.status_version)

    async def on_held(connection: Connection, student_id: str, held: Held) -> None:
        if not isinstance(held, StillReading):
            await waiting_changes.note(connection, student_id, held.blocked)

    async def state(connection: Connection, student_id: str) -> dict[str, Any]:
        checks = (await desk.read_in(connection, student_id)).assessment.checks
        return {check.check: check.model_dump(mode="json", exclude={"check"}) for check in checks}

    return ImportSpec(
        kind=rules.name,
        row=rules.import_row,
        headings=import_headings(department, rules.import_row),
        apply=apply,
        begin_batch=desk.begin_batch,
        on_held=on_held,
        role=desk_role(rules.name),
        after_commit=desk.wakeup.notify,
        refusal=refusal_text(department),
        examples=examples.rows if examples else (),
        sources=sources or {},
        evidence=evidence or EvidenceActs(desk, Wakeup()),
        items=rules.items,
        contradict=rules.contradict,
        state=state,
        zone=desk.zone,
        reject_outdated=desk.reject_outdated,
    )
