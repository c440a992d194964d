"""The invented graduating cohort of the demonstration: who they are, and what each department first knows of them.

Pure and seeded: the same student has the same number, name and records in every run and at every size of the cohort,
so that a larger demonstration adds students to a smaller one. The first ones are people with a part to play; the
player leaves them to the reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from deploy.demo import names as names
from deploy.demo.starting_records import NAMED, starting_records
from services.kit.names import CERTIFICATE_DESK

YEAR: Final = 2026
"""The season that is played, whatever year it is."""
SEED: Final = 20260601
FEWEST: Final = 12
MOST: Final = 20_000
SERVED: Final = "毕业离校"
COMPLETION_ONLY: Final = "结业"

Records = Mapping[str, Mapping[str, Any]]
"""Department → the record it holds at the start. A department that is not there has nothing on record."""


@dataclass(frozen=True)
class Student:
    """One invented student. `situation` is the part they play, a key of the sign-in page's, or empty.

    `on_roster` is false of somebody who can sign in and is not leaving.
    """

    student_id: str
    name: str
    gender: str
    grade: str
    college: str
    major: str
    enrolled_on: str
    leave_category: str
    records: Records
    situation: str = ""
    on_roster: bool = True

    def roster_row(self) -> dict[str, str]:
        """The student as the roster says it."""
        told = ("student_id", "name", "gender", "grade", "college", "major", "enrolled_on", "leave_category")
        return {name: getattr(self, name) for name in told} | {"cohort": str(YEAR)}


@dataclass(frozen=True)
class Part:
    """A person with a part to play in the demonstration."""

    situation: str
    name: str
    gender: str
    records: str
    leave_category: str = SERVED
    on_roster: bool = True


PARTS: Final = (
    Part("nearly-clear", "林知远", "男", "thesis-in-review"),
    Part("nearly-clear", "苏㛃", "女", "only-the-card"),
    Part("nearly-clear", "赵一鸣", "男", "arrears"),
    Part("blocked-everywhere", "陈𬭚", "男", "blocked-everywhere"),
    Part("completion-only", "李䶮", "男", "blocked-everywhere", leave_category=COMPLETION_ONLY),
    Part("all-clear", "周明月", "女", "all-clear"),
    Part("all-clear", "吴𠮷", "男", "all-clear"),
    Part("never-on-campus", "郑晓岚", "女", "never-on-campus"),
    Part("off-roster", "孙以宁", "女", "none", on_roster=False),
)
"""The first of them is left for the reader's own request to a desk."""

STAFF: Final = (
    {"sub": "staff-certificate-1", "name": "钱映雪", "roles": [CERTIFICATE_DESK], "situation": "certificate-desk"},
)


def cohort(count: int, *, seed: int = SEED) -> tuple[Student, ...]:
    """The first `count` students of the roster, those with a part first, and with them who has a part and is not on it.

    Raises ValueError for a count outside of `FEWEST` to `MOST`.
    """
    if not FEWEST <= count <= MOST:
        raise ValueError(f"a cohort has {FEWEST} to {MOST} students, not {count}")
    beside = sum(not part.on_roster for part in PARTS)
    return tuple(_student(number, Random(f"{seed}:{number}")) for number in range(count + beside))


def people(students: Sequence[Student]) -> list[dict[str, Any]]:
    """Everybody who can sign in, as the identity provider's file wants them."""
    return [
        *STAFF,
        *(
            {"sub": one.student_id, "name": one.name, "student_id": one.student_id, "situation": one.situation}
            for one in students
        ),
    ]


def left_to_the_player(students: Sequence[Student]) -> tuple[Student, ...]:
    """Whom the player may act on: students who are leaving and have no part of their own."""
    return tuple(one for one in students if not one.situation and one.leave_category == SERVED)


def _student(number: int, random: Random) -> Student:
    part = PARTS[number] if number < len(PARTS) else None
    doctor = random.random() < 0.2
    entered = YEAR - (4 if doctor else 3)
    college_number = random.randrange(len(names.COLLEGES))
    college, majors = names.COLLEGES[college_number]
    student_id = f"{'TB' if doctor else 'TS'}{entered % 100}{college_number + 1:02}{number + 1:05}"
    gender = part.gender if part else random.choice(("男", "女"))
    return Student(
        student_id=student_id,
        name=part.name if part else _name(number, gender, random),
        gender=gender,
        grade=f"{entered}级",
        college=college,
        major=random.choice(majors),
        enrolled_on=f"{entered}-09-0{random.randint(1, 6)}",
        leave_category=part.leave_category if part else _leave_category(random),
        records=NAMED[part.records](student_id) if part else starting_records(student_id, random),
        situation=part.situation if part else "",
        on_roster=part.on_roster if part else True,
    )


def _leave_category(random: Random) -> str:
    return COMPLETION_ONLY if random.random() < 0.03 else SERVED


def _name(number: int, gender: str, random: Random) -> str:
    if number % 37 == 12:
        return names.WRITTEN_OTHERWISE[number // 37 % len(names.WRITTEN_OTHERWISE)]
    surname = random.choice(names.COMPOUND_SURNAMES) if random.random() < 0.04 else random.choice(names.SURNAMES)
    pool = names.GIVEN_FEMALE if gender == "女" else names.GIVEN_MALE
    given = "".join(random.choice(pool) for _ in range(random.choice((1, 2, 2, 2))))
    if number % 9 == 1:
        given = random.choice(names.RARE) + given[1:]
    return surname + given
