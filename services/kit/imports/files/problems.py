"""Why a row or a file is refused: in Chinese, then in English, never with the value itself. Pure."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from typing_extensions import TypedDict  # pydantic reads only this one before Python 3.12


class RowProblem(TypedDict):
    """Why a row was rejected. `field` is empty for a fault of the whole row."""

    field: str
    problem: str
    remedy: str


class Text(NamedTuple):
    """One sentence in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


class Place(NamedTuple):
    """Where a value is: the heading of its column as the file has it, and the cell if the format has such."""

    label: str
    at: Text | None = None

    def describe(self, fault: Text) -> Text:
        at = Text("", "") if self.at is None else Text(f"（{self.at.zh}）", f" ({self.at.en})")
        if not self.label:
            return Text(f"{(self.at or at).zh}{fault.zh}", f"{(self.at or at).en} {fault.en}")
        return Text(f"“{self.label}”{at.zh}{fault.zh}", f"“{self.label}”{at.en} {fault.en}")


def problem(field: str, fault: Text, remedy: Text) -> RowProblem:
    return {"field": field, "problem": str(fault), "remedy": str(remedy)}


_MEMBER: Final = re.compile("member [0-9]+")


def is_of_unknown_member(one: RowProblem) -> bool:
    """Of a JSON line: its name is no field, and nobody knows what it says."""
    return _MEMBER.fullmatch(one["field"]) is not None


class Unimportable(Exception):
    """The file cannot be imported and nothing was stored. Carries no content of its rows."""

    def __init__(
        self, slug: str, title: Text, remedy: Text, *, status: int = 422, errors: Sequence[RowProblem] = ()
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.title_text = title
        self.remedy_text = remedy
        self.title = str(title)
        self.remedy = str(remedy)
        self.status = status
        self.errors = tuple(errors)
