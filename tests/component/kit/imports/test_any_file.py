"""Whatever files come: after each job no check is better than the accepted facts allow, and no doubt passes."""

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import CaseChanged, CaseState, StatusChanged, Verdict
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.department.evidence import coverage
from services.kit.department.loops.reassessment import Reassessment
from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.upload import Uploads
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from tests.support.departments.desks import desk_over
from tests.support.imports.oracle import EVERYBODY, Kind, Oracle, Row, refused

COHORTS: Final = {"TS2026000001": "2026", "TS2026000002": "2026", "TS2027000001": "2027"}
NOBODY, UNREADABLE = "TS9999999999", "?"
STUDENTS: Final = (*COHORTS, *COHORTS, NOBODY)
EXAMPLES: Final = 20
TABLES: Final = "record, hold, outbox, covering_load, open_question, import_job, import_row, attestation, attempt_end"


def kinds(check: str, good: Mapping[str, bool], item: str, **cells: Mapping[str, str]) -> tuple[Kind, ...]:
    """One for each of `cells`; those not in `good` have to be refused."""
    return tuple(Kind(name, one, item, check, good.get(name)) for name, one in cells.items())


CHARGE = {"charge_id": "{item}", "year": "2025", "name": "学费", "amount": "10"}
ROOM = {"campus": "南湖", "building": "梅苑1楼", "room": "{item}"}
OUT = {"checked_out_on": "2026-06-05", "handler": "李四"}
LOAN = {"loan_barcode": "{item}", "loan_title": "矿山压力", "loan_due_on": "2026-06-20"}
KINDS: Final[dict[str, tuple[Kind, ...]]] = {
    "finance": (
        *kinds(
            "arrears",
            {"paid": True, "owes": False, "overpaid": True},
            "charge {item}",
            paid={**CHARGE, "paid": "10"},
            owes={**CHARGE, "paid": "0"},
            overpaid={**CHARGE, "paid": "12"},
            thousands={**CHARGE, "amount": "8,000.00", "paid": "0"},
            negative={**CHARGE, "amount": "-10", "paid": "0"},
        ),
        Kind("no id", {**CHARGE, "charge_id": "", "paid": "0"}, "", "arrears", None),
    ),
    "dorm": (
        *kinds(
            "check-out",
            {"out": True, "in": False, "half": False},
            "room {item}",
            out={**ROOM, **OUT},
            **{"in": ROOM, "half": {**ROOM, "handler": "李四"}, "no day": {**ROOM, **OUT, "checked_out_on": "June"}},
        ),
        Kind("no building", {**ROOM, "building": ""}, "", "check-out", None),
    ),
    "archives": kinds(
        "thesis",
        {"approved": True, "submitted": False},
        "thesis",
        approved={"state": "approved"},
        submitted={"state": "submitted"},
        unknown={"state": "checked"},
    ),
    "library": (
        *kinds(
            "thesis",
            {"approved": True, "returned": False},
            "thesis",
            approved={"thesis": "approved"},
            returned={"thesis": "returned"},
            unknown={"thesis": "checked"},
        ),
        *kinds(
            "borrowing",
            {"cancelled": True, "active": False},
            "card",
            cancelled={"card": "cancelled"},
            active={"card": "active"},
            lost={"card": "lost"},
        ),
        *kinds(
            "borrowing",
            {"lent": False, "back": True},
            "loan {item}",
            lent=LOAN,
            back={"loan_barcode": "{item}", "loan_returned": "yes"},
            undated={**LOAN, "loan_due_on": "soon"},
        ),
        *kinds(
            "borrowing",
            {"owes": False, "paid": True},
            "fine {item}",
            owes={"fine_id": "{item}", "fine_amount": "5", "fine_paid": "0"},
            paid={"fine_id": "{item}", "fine_amount": "5", "fine_paid": "5"},
            worded={"fine_id": "{item}", "fine_amount": "five"},
        ),
        Kind("no fine id", {"card": "cancelled", "fine_amount": "5"}, "", "borrowing", None),
    ),
}
NEEDED: Final[dict[str, dict[str, frozenset[str]]]] = {
    "finance": {"arrears": frozenset()},
    "dorm": {"check-out": frozenset()},
    "archives": {"thesis": frozenset({"thesis"})},
    "library": {"borrowing": frozenset({"card"}), "thesis": frozenset({"thesis"})},
}
ABSENT: Final = {"finance": frozenset({"arrears"}), "dorm": frozenset({"check-out"})}


@dataclass(frozen=True)
class File:
    """`headed`: whether its headings are the import's; else it is refused whole. `withdrawn`: every list, before it."""

    rows: tuple[Row, ...]
    covers: frozenset[str]
    headed: bool
    withdrawn: bool


def files(department: str) -> st.SearchStrategy[list[File]]:
    rows = st.builds(
        Row,
        st.sampled_from((*STUDENTS, *STUDENTS, "")),
        st.sampled_from([kind for kind in KINDS[department] for _ in range(4 if kind.clear else 1)]),
        st.sampled_from(("C-1", "C-2", "c-1")),
    )
    covers = st.sampled_from([frozenset(), frozenset({"2026"}), frozenset({EVERYBODY}), frozenset({"2026", "2027"})])
    often = st.sampled_from([True] * 6 + [False])
    one = st.builds(
        File, st.lists(rows, min_size=1, max_size=5).map(tuple), covers, often, often.map(lambda often: not often)
    )
    return st.lists(one, min_size=1, max_size=4)


class Department:
    """Its desk, imports and reassessment, over one database."""

    def __init__(self, desk: Desk[Any], name: str) -> None:
        self._desk, self.name, self.passes = desk, name, 0
        self._acts = EvidenceActs(desk, Wakeup())
        spec = department_import(desk, discover()[name], evidence=self._acts)
        self._columns = ["student_id", *dict.fromkeys(column for kind in KINDS[name] for column in kind.cells)]
        self._uploads = Uploads(spec, desk.pool, _now)
        self._worker = ImportWorker(spec, desk.pool, Wakeup())
        self._reassessment = Reassessment(desk, Wakeup())

    async def begin(self) -> None:
        """Nothing is known, and the students' departure is open."""
        await self._desk.pool.execute(f"TRUNCATE {TABLES} CASCADE")
        for student_id, cohort in COHORTS.items():
            case = CaseChanged(
                student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=_now(), cohort=cohort
            )
            async with self._desk.pool.acquire() as connection, connection.transaction():
                await self._desk.apply_cases(connection, [Received(case)], now=_now())

    async def withdraw_lists(self) -> None:
        async with self._desk.pool.acquire() as connection:
            loads, _ = await coverage.latest(connection, valid=True, before=None, limit=100)
        for load in loads:
            await self._acts.withdraw(load.load_id, by="desk", reason="not whole", now=_now())

    async def send(self, number: int, file: File) -> None:
        """To the end of its job, with each row ended as its kind says."""
        columns = self._columns if file.headed else [*self._columns, f"备注{number}"]
        covers = tuple(sorted(file.covers))
        try:
            await self._uploads.accept(Format.CSV, _csv(columns, number, file.rows), "desk", covers=covers)
        except Unimportable:
            assert not file.headed
            return
        await self._worker.work()
        states = await self._desk.pool.fetch(
            "SELECT state FROM import_row ORDER BY (SELECT seq FROM import_job AS j"
            " WHERE j.job_id = import_row.job_id) DESC, row_number"
        )
        assert [row["state"] == "rejected" for row in states[: len(file.rows)]] == refused(file.rows)

    async def clear_checks(self) -> dict[str, frozenset[str]]:
        """Of each student's newest published status, once nothing is left to be assessed."""
        while await self._reassessment.batch():
            pass
        rows = await self._desk.pool.fetch("SELECT student_id, status FROM record WHERE status IS NOT NULL")
        statuses = {row["student_id"]: StatusChanged.model_validate_json(row["status"]) for row in rows}
        clear = {
            student_id: frozenset(check.check for check in status.checks if check.verdict is Verdict.CLEAR)
            for student_id, status in statuses.items()
        }
        self.passes += sum(map(len, clear.values()))
        return clear


@pytest.fixture
async def department(database: str, request: pytest.FixtureRequest) -> AsyncIterator[Department]:
    async with desk_over(database, request.param, covered=False) as desk:
        running = Department(desk, request.param)
        yield running
    assert running.passes > EXAMPLES, f"hardly a check was clear ({running.passes}): nothing was tried"


@pytest.mark.parametrize("department", KINDS, indirect=True)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_whatever_files_come_no_check_is_better_than_the_accepted_facts(
    department: Department, data: st.DataObject
) -> None:
    name = department.name
    oracle = Oracle(NEEDED[name], ABSENT.get(name, frozenset()), COHORTS)
    await department.begin()
    for number, file in enumerate(data.draw(files(name))):
        if file.withdrawn:
            await department.withdraw_lists()
            oracle.withdrawn()
        await department.send(number, file)
        if file.headed:
            oracle.file(number, file.rows, file.covers)
        else:
            oracle.refused_file(number, file.covers)
        clear = await department.clear_checks()
        assert clear == {student_id: oracle.may_be_clear(student_id) for student_id in COHORTS}


def _csv(columns: Sequence[str], number: int, rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns)
    writer.writeheader()
    for row in rows:
        cells = {column: cell.format(item=row.item) for column, cell in row.kind.cells.items()}
        writer.writerow({"student_id": row.student or UNREADABLE, **cells})
    return text.getvalue().encode()


def _now() -> datetime:
    return datetime.now(UTC)
