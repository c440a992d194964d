"""Invented students in the states a page must show, for the gateway's tests."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from schemas.events import CaseState, Reason, StatusChanged
from services.gateway.read_model.types import (
    Attested,
    Case,
    ReceivedStatus,
    StudentSnapshot,
    StudentWaivers,
    Submission,
    known_status,
)
from services.gateway.university import CONFIGURATIONS, Site, departments, load
from services.kit.manifests import SERVICES
from services.kit.rules.waivers import Waiver, WaiverKind

NOW = datetime(2026, 6, 8, 2, 35, tzinfo=UTC)
FOLDER = CONFIGURATIONS / "cumt"
ATTEMPT = UUID("6f3f3a5e-2f10-4c29-9d4e-9d9a5b9f2a01")


@cache
def site(freshness_bound_s: int = 60) -> Site:
    return Site(load(FOLDER), departments(FOLDER, SERVICES), freshness_bound_s)


def case(state: CaseState = CaseState.OPEN, **changes: Any) -> Case:
    values: dict[str, Any] = {
        "student_id": "TS23170042P31",
        "version": 1,
        "state": state,
        "name": "欧阳𠮷㛃",
        "gender": "女",
        "grade": "2023",
        "college": "信息与控制工程学院",
        "major": "控制科学与工程",
        "enrolled_on": date(2023, 9, 1),
        "leave_category": "毕业离校",
        "opened_on": date(2026, 6, 1),
    }
    return Case(**{**values, **changes})


def check(name: str, facts: Mapping[str, Any], *reasons: Reason) -> dict[str, Any]:
    return {
        "check": name,
        "verdict": "blocked" if reasons else "clear",
        "reasons": [reason.model_dump() for reason in reasons],
        "facts": dict(facts),
    }


def received(
    department: str,
    checks: list[dict[str, Any]],
    *,
    cause: Reason | None = None,
    version: int = 3,
    ago_s: float = 180,
    alive_ago_s: float | None = 3,
    readable: bool = True,
) -> ReceivedStatus:
    at = NOW - timedelta(seconds=ago_s)
    status = StatusChanged.model_validate(
        {
            "student_id": "TS23170042P31",
            "department": department,
            "version": version,
            "occurred_at": at.isoformat(),
            "cause": (cause or Reason(code="case-opened")).model_dump(),
            "checks": checks,
        }
    )
    alive = None if alive_ago_s is None else NOW - timedelta(seconds=alive_ago_s)
    return ReceivedStatus(known_status(status), at + timedelta(milliseconds=40), readable, alive)


def checks_of(heard: ReceivedStatus) -> list[dict[str, Any]]:
    """As the department sent them."""
    return [check.model_dump(mode="json") for check in heard.status.checks]


BORROWING = {"unreturned_count": 0, "debt": "0.00", "violation_count": 0, "card": "cancelled"}
CARD_ACTIVE = {**BORROWING, "card": "active"}
FEES = [
    {"student_id": "TS23170042P31", "year": "2024", "name": "代收取暖费", "due": "60.00"},
    {"student_id": "TS23170042P31", "year": "2025", "name": "学分学费", "due": "550.00"},
    {"student_id": "TS23170042P31", "year": "2025", "name": "代收取暖费", "due": "72.40"},
]
ROOM = {
    "campus": "南湖校区",
    "building": "梅苑2号楼",
    "room": "A3071",
    "checked_out_on": "2026-06-05",
    "handler": "纪小满",
}


def library(
    borrowing: dict[str, Any] | None = None, thesis: dict[str, Any] | None = None, **more: Any
) -> ReceivedStatus:
    checks = [borrowing or check("borrowing", BORROWING), thesis or check("thesis", {"thesis": "approved"})]
    return received("library", checks, **more)


def archives(state: str = "approved", *reasons: Reason, **more: Any) -> ReceivedStatus:
    return received("archives", [check("thesis", {"thesis": state}, *reasons)], **more)


def dorm(rooms: list[dict[str, Any]], *reasons: Reason, **more: Any) -> ReceivedStatus:
    return received("dorm", [check("check-out", {"residences": rooms}, *reasons)], **more)


def finance(rows: list[dict[str, Any]], total: str, *reasons: Reason, **more: Any) -> ReceivedStatus:
    return received("finance", [check("arrears", {"rows": rows, "total": total}, *reasons)], **more)


def clear() -> StudentSnapshot:
    said = {"library": library(), "archives": archives(), "dorm": dorm([ROOM]), "finance": finance([], "0.00")}
    return StudentSnapshot(case(), said)


def overpaid() -> StudentSnapshot:
    facts = {"rows": [], "total": "0.00", "overpaid": "200.00"}
    return StudentSnapshot(case(), {**clear().statuses, "finance": received("finance", [check("arrears", facts)])})


def nearly() -> StudentSnapshot:
    waiting = check("thesis", {"thesis": "in-review"}, Reason(code="thesis-in-review"))
    return StudentSnapshot(case(), {**clear().statuses, "library": library(thesis=waiting)})


def blocked() -> StudentSnapshot:
    borrowing = check(
        "borrowing",
        {"unreturned_count": 2, "debt": "7.60", "violation_count": 0, "card": "active"},
        Reason(code="books-not-returned", parameters={"count": 2}),
        Reason(code="debt-open", parameters={"amount": "7.60"}),
    )
    thesis = check("thesis", {"thesis": "none"}, Reason(code="thesis-none"))
    room = {**ROOM, "checked_out_on": None, "handler": ""}
    return StudentSnapshot(
        case(),
        {
            "library": library(borrowing, thesis),
            "archives": archives("empty", Reason(code="thesis-empty")),
            "dorm": dorm([room], Reason(code="not-checked-out", parameters={"count": 1})),
            "finance": finance(FEES, "682.40", Reason(code="arrears", parameters={"count": 3, "total": "682.40"})),
        },
    )


THESIS_WAIVER = Waiver(
    department="library",
    check="thesis",
    kind=WaiverKind.NOT_APPLICABLE,
    reason="涉密论文，由导师归档",
    until=date(2026, 12, 31),
)
DEBT_RELEASE = Waiver(
    department="finance", check="arrears", kind=WaiverKind.RELEASED, reason="已核对缴费凭证", until=date(2026, 7, 1)
)


def waived() -> StudentSnapshot:
    """A thesis that no library takes, a debt that the graduate school lets pass; the rest is clear."""
    said = blocked().statuses
    thesis = check("thesis", {"thesis": "none"}, Reason(code="thesis-none"))
    statuses = {**clear().statuses, "library": library(thesis=thesis), "finance": said["finance"]}
    waivers = StudentWaivers({"leave_category": "毕业离校"}, (THESIS_WAIVER, DEBT_RELEASE))
    return StudentSnapshot(case(), statuses, waivers=waivers)


def completed_with_waivers() -> StudentSnapshot:
    """As accepted: the finance office had nothing left to answer."""
    said = waived()
    facts = {
        name: Attested(one.status.version, one.status.checks, NOW)
        for name, one in said.statuses.items()
        if name != "finance"
    }
    submission = Submission(
        ATTEMPT,
        "LX2026-004218",
        NOW - timedelta(hours=1),
        "7KQ4-M2XD",
        "LXF1:SAMPLE",
        facts,
        waivers=said.waivers.exemptions,
    )
    return StudentSnapshot(case(CaseState.COMPLETED), said.statuses, forms=(submission,))


def card_open() -> StudentSnapshot:
    borrowing = check("borrowing", CARD_ACTIVE, Reason(code="card-not-cancelled"))
    return StudentSnapshot(case(), {**clear().statuses, "library": library(borrowing)})


def waiting() -> StudentSnapshot:
    """The archives never spoke, the dormitories fell silent, nobody lived on campus."""
    said = dict(clear().statuses)
    del said["archives"]
    return StudentSnapshot(case(), {**said, "dorm": dorm([], ago_s=90_000, alive_ago_s=900)})


NO_DATA = Reason(code="no-data")
OPEN_QUESTION = Reason(code="open-question")


def without_data() -> StudentSnapshot:
    """The roster came first: no department covers the student yet."""
    checks = {
        "library": ("borrowing", "thesis"),
        "archives": ("thesis",),
        "dorm": ("check-out",),
        "finance": ("arrears",),
    }
    said = {name: received(name, [check(one, {}, NO_DATA) for one in of]) for name, of in checks.items()}
    return StudentSnapshot(case(), said)


def in_question() -> StudentSnapshot:
    """A row of the finance office about the student was refused; what it has says that nothing is due."""
    said = received(
        "finance",
        [check("arrears", {"rows": [], "total": "0.00"}, OPEN_QUESTION)],
        cause=Reason(code="question-opened"),
    )
    return StudentSnapshot(case(), {**clear().statuses, "finance": said})


def completed() -> StudentSnapshot:
    facts = {name: Attested(one.status.version, one.status.checks, NOW) for name, one in clear().statuses.items()}
    submission = Submission(ATTEMPT, "LX2026-004217", NOW - timedelta(hours=1), "7KQ4-M2XD", "LXF1:SAMPLE", facts)
    return StudentSnapshot(case(CaseState.COMPLETED), clear().statuses, forms=(submission,))
