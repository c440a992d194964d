"""Each department's starting record of an invented student, in the shape of its record. Pure."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from deploy.demo import names

Records = dict[str, Mapping[str, Any]]

CLEAR: Final[Records] = {
    "library": {"card": "cancelled", "thesis": "approved"},
    "archives": {"thesis": "approved"},
    "dorm": {
        "residences": [
            {
                "campus": "南湖校区",
                "building": "梅苑1楼",
                "room": "A3071",
                "checked_out_on": "2026-06-05",
                "handler": "周管理",
            }
        ]
    },
    "finance": {"charges": []},
}


def thesis_in_review(_student_id: str) -> Records:
    return {**CLEAR, "library": {"card": "cancelled", "thesis": "in-review"}}


def only_the_card(_student_id: str) -> Records:
    """The student can do the rest: the page offers to cancel the card."""
    return {**CLEAR, "library": {"card": "active", "thesis": "approved"}}


def arrears(student_id: str) -> Records:
    """Three charges whose sum, 682.40, binary floating point gets wrong."""
    owed = (("体检费", "60.00"), ("教材费", "550.00"), ("代收取暖费", "72.40"))
    charges = [_charge(student_id, number, name, amount) for number, (name, amount) in enumerate(owed)]
    return {**CLEAR, "finance": {"charges": charges}}


def blocked_everywhere(student_id: str) -> Records:
    return {
        "library": {
            "loans": [_loan(student_id, number) for number in range(2)],
            "fines": [_fine(student_id, 0, "3.50")],
            "violations": [{"violation_id": f"V-{student_id[-5:]}", "text": names.VIOLATIONS[0]}],
            "card": "active",
            "thesis": "returned",
        },
        "archives": {"thesis": "submitted"},
        "dorm": {
            "residences": [
                {"campus": "南湖校区", "building": "梅苑3楼", "room": "B2105"},
                {
                    "campus": "文昌校区",
                    "building": "学生公寓4号楼",
                    "room": "412",
                    "checked_out_on": "2024-07-01",
                    "handler": "秦管理",
                },
            ]
        },
        "finance": {
            "charges": [_charge(student_id, 0, "学费", "8000.00"), _charge(student_id, 1, "住宿费", "1200.00")]
        },
    }


def never_on_campus(_student_id: str) -> Records:
    """No residence, which is clear; a thesis not yet approved."""
    return {**CLEAR, "library": {"card": "active", "thesis": "submitted"}, "dorm": {"residences": []}}


BY_PERSONA: Final[dict[str, Callable[[str], Records]]] = {
    "thesis-in-review": thesis_in_review,
    "only-the-card": only_the_card,
    "arrears": arrears,
    "blocked-everywhere": blocked_everywhere,
    "all-clear": lambda _: CLEAR,
    "never-on-campus": never_on_campus,
    "none": lambda _: {},
}


def starting_records(student_id: str, random: Random) -> Records:
    """Most students are blocked at most departments."""
    return {
        "library": _library(student_id, random),
        "archives": {"thesis": random.choices(("empty", "submitted", "approved"), (60, 25, 15))[0]},
        "dorm": {"residences": _residences(random)},
        "finance": {"charges": _charges(student_id, random)},
    }


def _library(student_id: str, random: Random) -> dict[str, Any]:
    loans = [_loan(student_id, number) for number in range(random.choices((0, 1, 2, 3), (35, 35, 20, 10))[0])]
    fines = [_fine(student_id, 0, random.choice(("0.00", "1.00")))] if random.random() < 0.3 else []
    violations = (
        [{"violation_id": f"V-{student_id[-5:]}", "text": random.choice(names.VIOLATIONS)}]
        if random.random() < 0.1
        else []
    )
    settled = not (loans or fines or violations)
    stages = ("none", "not-submitted", "submitted", "in-review", "returned", "approved")
    return {
        "loans": loans,
        "fines": fines,
        "violations": violations,
        "card": "cancelled" if settled and random.random() < 0.5 else "active",
        "thesis": random.choices(stages, (20, 10, 25, 20, 10, 15))[0],
    }


def _residences(random: Random) -> list[dict[str, Any]]:
    if random.random() < 0.08:
        return []
    residences = []
    for campus, buildings in random.sample(names.CAMPUSES, random.choices((1, 2), (85, 15))[0]):
        room = f"{random.choice('ABC')}{random.randint(1, 6)}{random.randint(1, 40):02}"
        residence: dict[str, Any] = {"campus": campus, "building": random.choice(buildings), "room": room}
        if random.random() < 0.2:
            residence |= {
                "checked_out_on": f"2026-06-{random.randint(1, 28):02}",
                "handler": random.choice(names.HANDLERS),
            }
        residences.append(residence)
    return residences


def _charges(student_id: str, random: Random) -> list[dict[str, Any]]:
    owed = random.sample(names.CHARGES, random.choices((0, 1, 2), (50, 35, 15))[0])
    paid = (_charge(student_id, 9, "学费", "8000.00") | {"year": "2023", "paid": "8000.00"},)
    return [*paid, *(_charge(student_id, number, name, amount) for number, (name, amount) in enumerate(owed))]


def _loan(student_id: str, number: int) -> dict[str, Any]:
    title = names.BOOKS[(int(student_id[-5:]) + number) % len(names.BOOKS)]
    return {"barcode": f"B{student_id[-5:]}{number}", "title": title, "due_on": f"2026-06-{20 + number}"}


def _fine(student_id: str, number: int, paid: str) -> dict[str, Any]:
    _, amount = names.FINES[int(student_id[-5:]) % len(names.FINES)]
    return {"fine_id": f"F-{student_id[-5:]}-{number}", "amount": amount, "paid": paid}


def _charge(student_id: str, number: int, name: str, amount: str) -> dict[str, Any]:
    return {
        "charge_id": f"C-{student_id[-5:]}-{number}",
        "student_id": student_id,
        "year": "2025",
        "name": name,
        "amount": amount,
    }
