"""The invented students, with their starting records. Pure.

Seeded: a student is the same in every run. The first are personas, which the simulation leaves alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from deploy.demo import names
from deploy.demo.starting_records import BY_PERSONA, starting_records
from deploy.local.identity.people import Person
from services.kit.manifests import DepartmentManifest
from services.kit.names import APPROVER, CERTIFICATE_DESK, GRADUATE_SCHOOL, OPERATOR, college_role, desk_role

YEAR: Final = 2026
SEED: Final = 20260601
MIN_STUDENTS: Final = 12
MAX_STUDENTS: Final = 20_000
DEGREE: Final = "毕业离校"
COMPLETION_ONLY: Final = "结业"

Records = Mapping[str, Mapping[str, Any]]
"""Department → starting record, empty where missing."""


@dataclass(frozen=True)
class Student:
    """`situation`: a persona's sign-in heading, else empty. Not `on_roster`: can sign in, is not leaving."""

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
        columns = ("student_id", "name", "gender", "grade", "college", "major", "enrolled_on", "leave_category")
        return {name: getattr(self, name) for name in columns} | {"cohort": str(YEAR)}


@dataclass(frozen=True)
class Persona:
    """`records`: a key of `BY_PERSONA`."""

    situation: str
    name: str
    gender: str
    records: str
    leave_category: str = DEGREE
    on_roster: bool = True


PERSONAS: Final = (
    Persona("nearly-clear", "林知远", "男", "thesis-in-review"),
    Persona("nearly-clear", "苏㛃", "女", "only-the-card"),
    Persona("nearly-clear", "赵一鸣", "男", "arrears"),
    Persona("blocked-everywhere", "陈𬭚", "男", "blocked-everywhere"),
    Persona("completion-only", "李䶮", "男", "blocked-everywhere", leave_category=COMPLETION_ONLY),
    Persona("all-clear", "周明月", "女", "all-clear"),
    Persona("all-clear", "吴𠮷", "男", "all-clear"),
    Persona("never-on-campus", "郑晓岚", "女", "never-on-campus"),
    Persona("off-roster", "孙以宁", "女", "none", on_roster=False),
)
"""The first is the subject of the example request."""

STAFF: Final = (
    Person(sub="staff-operator-1", name="程以恒", roles=(OPERATOR,), situation="operator"),
    Person(sub="staff-certificate-1", name="钱映雪", roles=(CERTIFICATE_DESK,), situation="certificate-desk"),
    Person(sub="staff-graduate-1", name="顾长宁", roles=(GRADUATE_SCHOOL,), situation="progress", office="研究生院"),
    Person(sub="staff-graduate-2", name="陆闻笛", roles=(APPROVER,), situation="exceptions", office="研究生院"),
    Person(
        sub="staff-college-1",
        name="简宁",
        roles=(college_role(names.COLLEGES[0][0]),),
        situation="progress",
        office=names.COLLEGES[0][0],
    ),
)

CLERKS: Final = ("周若溪", "冯砚秋", "许知白", "蒋云舒", "沈叶青", "韩松年", "唐予安", "邓静姝")


def clerks(departments: Mapping[str, DepartmentManifest]) -> list[Person]:
    """One for each desk."""
    return [
        Person(
            sub=f"staff-{name}-1",
            name=CLERKS[number % len(CLERKS)],
            roles=(desk_role(name),),
            situation="department-desk",
            office=one.title.zh,
        )
        for number, (name, one) in enumerate(departments.items())
    ]


def invent_students(count: int, *, seed: int = SEED) -> tuple[Student, ...]:
    """`count` on the roster, personas first, then the personas not on it.

    Raises ValueError outside `MIN_STUDENTS` to `MAX_STUDENTS`.
    """
    if not MIN_STUDENTS <= count <= MAX_STUDENTS:
        raise ValueError(f"there are {MIN_STUDENTS} to {MAX_STUDENTS} students, not {count}")
    off_roster = sum(not persona.on_roster for persona in PERSONAS)
    return tuple(_student(number, Random(f"{seed}:{number}")) for number in range(count + off_roster))


def people(students: Sequence[Student], departments: Mapping[str, DepartmentManifest]) -> list[Person]:
    """Staff and students."""
    return [
        *clerks(departments),
        *STAFF,
        *(
            Person(sub=one.student_id, name=one.name, student_id=one.student_id, situation=one.situation)
            for one in students
        ),
    ]


def simulated(students: Sequence[Student]) -> tuple[Student, ...]:
    """Leaving with a degree, without the personas."""
    return tuple(one for one in students if not one.situation and one.leave_category == DEGREE)


def _student(number: int, random: Random) -> Student:
    persona = PERSONAS[number] if number < len(PERSONAS) else None
    doctoral = random.random() < 0.2
    entered = YEAR - (4 if doctoral else 3)
    college_number = random.randrange(len(names.COLLEGES))
    college, majors = names.COLLEGES[college_number]
    student_id = f"{'TB' if doctoral else 'TS'}{entered % 100}{college_number + 1:02}{number + 1:05}"
    gender = persona.gender if persona else random.choice(("男", "女"))
    return Student(
        student_id=student_id,
        name=persona.name if persona else _name(number, gender, random),
        gender=gender,
        grade=f"{entered}级",
        college=college,
        major=random.choice(majors),
        enrolled_on=f"{entered}-09-0{random.randint(1, 6)}",
        leave_category=persona.leave_category if persona else _leave_category(random),
        records=BY_PERSONA[persona.records](student_id) if persona else starting_records(student_id, random),
        situation=persona.situation if persona else "",
        on_roster=persona.on_roster if persona else True,
    )


def _leave_category(random: Random) -> str:
    return COMPLETION_ONLY if random.random() < 0.03 else DEGREE


def _name(number: int, gender: str, random: Random) -> str:
    if number % 37 == 12:
        return names.LONG_NAMES[number // 37 % len(names.LONG_NAMES)]
    surname = random.choice(names.COMPOUND_SURNAMES) if random.random() < 0.04 else random.choice(names.SURNAMES)
    pool = names.GIVEN_FEMALE if gender == "女" else names.GIVEN_MALE
    given = "".join(random.choice(pool) for _ in range(random.choice((1, 2, 2, 2))))
    if number % 9 == 1:
        given = random.choice(names.RARE) + given[1:]
    return surname + given
