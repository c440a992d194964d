"""The invented people who can sign in. Pure but for `load_people`."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_PEOPLE = 20_000
MAX_SHOWN_PER_GROUP = 6
MAX_FOUND = 60


class Person(BaseModel):
    """`situation`: a key of `SITUATIONS`, else one of the other students. `office`: shown beside the name of staff."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sub: Annotated[str, Field(min_length=1, max_length=200)]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    student_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    roles: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    situation: Annotated[str, Field(max_length=100)] = ""
    office: Annotated[str, Field(max_length=100)] = ""


@dataclass(frozen=True)
class Situation:
    zh: str
    en: str
    note_zh: str
    note_en: str


OTHERS = Situation("其他同学", "Other students", "随演示进度变化", "They change as the demonstration runs")

SITUATIONS: dict[str, Situation] = {
    "nearly-clear": Situation("只差一步", "Nearly clear", "大部分已通过，还差一两项", "One or two checks still open"),
    "blocked-everywhere": Situation(
        "各项均未通过", "Blocked everywhere", "每个部门都有事要办", "Every department asks for something"
    ),
    "completion-only": Situation(
        "结业", "Completion certificate only", "本服务不办理结业离校", "This service is not for them"
    ),
    "all-clear": Situation("全部通过", "All clear", "可以提交离校服务", "Ready to submit"),
    "never-on-campus": Situation(
        "未住校", "Never lived on campus", "没有宿舍记录也能通过", "No room, and no room needed"
    ),
    "off-roster": Situation("不在离校名单", "Not on the roster", "本学期没有离校事项", "Nothing to clear this term"),
    "department-desk": Situation(
        "部门工作人员", "Department staff", "办理本部门的离校手续", "Attend to students at their department's desk"
    ),
    "exceptions": Situation("研究生院批准人", "Graduate school, second person", "批准或驳回特批", "Decide exceptions"),
    "progress": Situation("研究生院和学院", "Graduate school and colleges", "查看办理进度", "See how far everybody is"),
    "operator": Situation("运维", "Operators", "查看各服务、处理死信", "See the services, end dead letters"),
    "certificate-desk": Situation(
        "证书领取处", "Certificate desk staff", "核验离校单、登记领取", "Checks forms, records collection"
    ),
}


@dataclass(frozen=True)
class Group:
    """People under one heading; `more` are not in `shown`."""

    situation: Situation
    shown: tuple[Person, ...]
    more: int


def load_people(path: Path) -> tuple[Person, ...]:
    """Raises `OSError`, or `ValueError` for no list of people, too many, or a subject named twice."""
    people = TypeAdapter(tuple[Person, ...]).validate_json(path.read_bytes())
    if len(people) > MAX_PEOPLE:
        raise ValueError(f"at most {MAX_PEOPLE} people, this file has {len(people)}")
    if len({person.sub for person in people}) != len(people):
        raise ValueError("every person needs a subject (sub) of their own")
    return people


def grouped(people: Sequence[Person], search: str) -> tuple[Group, ...]:
    """A group shows its first few, with a search up to `MAX_FOUND`."""
    wanted = _folded(search)
    limit = MAX_FOUND if wanted else MAX_SHOWN_PER_GROUP
    members: dict[str, list[Person]] = {key: [] for key in (*SITUATIONS, "")}
    for person in people:
        if wanted in _searchable(person):
            members[person.situation if person.situation in SITUATIONS else ""].append(person)
    return tuple(
        Group(SITUATIONS.get(key, OTHERS), tuple(found[:limit]), max(0, len(found) - limit))
        for key, found in members.items()
        if found
    )


def _searchable(person: Person) -> str:
    situation = SITUATIONS.get(person.situation, OTHERS)
    return _folded("\n".join((person.name, person.student_id or "", person.office, situation.zh, situation.en)))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()
