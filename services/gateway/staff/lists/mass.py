"""One operation for many students: which numbers were meant, and what became of each."""

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.gateway.staff.desk.desk_answers import DeskOperation
from services.gateway.staff.desk.desk_client import DeskClient, DeskRefused, DeskUnavailable
from services.gateway.staff.desk.operation_form import STUDENT
from services.kit.manifests import DepartmentManifest
from services.kit.student_numbers import student_number

MAX_STUDENTS: Final = 200
_AT_ONCE: Final = 6
_BETWEEN: Final = re.compile(r"[\s,;，；、]+")

State = Literal["changed", "unchanged", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Meant:
    """`wrong`: what is no student number."""

    students: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def too_many(self) -> bool:
        return len(self.students) > MAX_STUDENTS


@dataclass(frozen=True, slots=True)
class Result:
    """`unknown`: no answer came, and it may have been done; the same form again settles it."""

    student_id: str
    state: State
    refused: DeskRefused | None = None


def meant(text: str) -> Meant:
    """Numbers as pasted, each once."""
    words = [word for word in _BETWEEN.split(text) if word]
    numbers = {word: student_number(word) for word in words}
    students = dict.fromkeys(number for number in numbers.values() if number)
    return Meant(tuple(students), tuple(dict.fromkeys(word for word, number in numbers.items() if not number)))


def for_many(department: DepartmentManifest, operations: Sequence[DeskOperation]) -> tuple[DeskOperation, ...]:
    """Those of which the same can be meant for many: not of an item, nor of a line of one record."""
    beside = {name for name, one in department.operations.items() if one.rows}
    return tuple(one for one in operations if not one.of_item and one.name not in beside)


async def operate_each(
    desk: DeskClient, person: str, operation: str, body: Mapping[str, Any], students: Collection[str], key: str
) -> list[Result]:
    """In the order given. Once for `key`, also when the form is sent again."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(student_id: str) -> Result:
        own_key = f"{key}-{hashlib.sha256(student_id.encode()).hexdigest()[:16]}"
        async with limit:
            try:
                answer = await desk.operate(person, operation, {**body, STUDENT: student_id}, own_key)
            except DeskRefused as refused:
                return Result(student_id, "refused", refused)
            except DeskUnavailable:
                return Result(student_id, "unknown")
        return Result(student_id, "changed" if answer.applied else "unchanged")

    return list(await asyncio.gather(*map(one, students)))
