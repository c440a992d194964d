"""A release with other rules: every record is assessed again, and what differs is published."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Verdict
from schemas.topics import Topics
from services.kit.department.changes.requests import change_record
from services.kit.department.desk import Desk
from services.kit.department.loops.reassessment import Reassessment
from services.kit.department.loops.rules_fingerprint import adopt_rules, rules_fingerprint
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.outbox import Wakeup
from services.kit.rules.assessment import Assessment
from services.kit.rules.reasons import RECORD_REPLACED
from services.library.rules import Thesis
from tests.support.departments.desks import desk_over, now, open_case, outbox_statuses
from tests.support.imports.department import student


def stricter(desk: Desk[Any], blocked: Thesis) -> Desk[Any]:
    """The next release: one student's checks are blocked that were not."""
    before = desk.rules.assess

    def assess(record: Any) -> Assessment:
        found = before(record)
        if record.thesis != blocked:
            return found
        return Assessment(tuple(check.model_copy(update={"verdict": Verdict.BLOCKED}) for check in found.checks))

    rules = replace(desk.rules, assess=assess)
    return Desk(rules, desk.pool, Topics("test"), Wakeup(), discover()["library"])


async def test_a_start_with_other_rules_publishes_what_differs_and_nothing_else(database: str) -> None:
    async with desk_over(database, "library") as desk:
        assert await adopt_rules(desk.pool, "first") == 0
        students = sorted(student() for _ in range(3))
        for who in students:
            await open_case(desk, who)
        await change_record(
            desk, students[0], lambda record: (record.updated(thesis=Thesis.APPROVED), RECORD_REPLACED()), now=now()
        )
        await desk.pool.execute("DELETE FROM outbox")
        released = stricter(desk, Thesis.APPROVED)
        assert await adopt_rules(desk.pool, "second") == 3
        reassessment = Reassessment(released, Wakeup())
        while await reassessment.batch():
            pass
        (status,) = await outbox_statuses(desk)
        assert (status.student_id, status.version, status.cause.code) == (students[0], 3, "rules-changed")
        assert {check.verdict for check in status.checks} == {Verdict.BLOCKED}
        assert await adopt_rules(desk.pool, "second") == 0
        assert await reassessment.batch() == 0


@pytest.mark.parametrize("changed", ["rules.py", "department.toml", "shared/evidence.py"])
def test_the_fingerprint_is_of_the_departments_sources_its_manifest_and_the_shared_rules(
    tmp_path: Path, changed: str
) -> None:
    for name in ("rules.py", "operations.py", "department.toml", "shared/evidence.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    before = rules_fingerprint(tmp_path, shared=tmp_path / "shared")
    assert rules_fingerprint(tmp_path, shared=tmp_path / "shared") == before
    (tmp_path / changed).write_text("another rule")
    assert rules_fingerprint(tmp_path, shared=tmp_path / "shared") != before


def test_every_department_has_a_fingerprint_of_its_own() -> None:
    assert len({rules_fingerprint(SERVICES / name) for name in discover()}) == len(discover())
