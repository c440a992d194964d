"""A university's configuration folder; nothing of one university is in code or templates."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.gateway.image_size import NAME, size_of
from services.kit.clearance_policy import ClearancePolicy
from services.kit.faults import fault_of
from services.kit.manifests import CheckManifest, DepartmentManifest, Link, Text, discover
from services.kit.rules.waivers import CheckKey

PICTURES = "pictures"
"""Subfolder of the manual's pictures."""
CONFIGURATIONS = Path(__file__).resolve().parents[2] / "config" / "universities"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GuideRow(_Model):
    label: Text
    value: Text
    phones: bool = False
    """Links telephone numbers."""


class Contact(_Model):
    """`other` (a QQ group) is shown as text."""

    label: Text
    phone: str = ""
    mail: str = ""
    other: str = ""


class Collection(_Model):
    """Where and when the certificates are handed out, whom to call about it, and what to bring."""

    place: Text
    hours: Text
    contact: Contact
    bring: tuple[Text, ...] = ()


class FileNames(Text):
    """Both may be the same."""

    zh: Annotated[str, Field(pattern=NAME)]
    en: Annotated[str, Field(pattern=NAME)]


class NonEmptyText(Text):
    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class Picture(_Model):
    """`file` is in the folder's `pictures/`. `wide`: the same for a screen that has the room; else it is `file`."""

    file: FileNames
    wide: FileNames | None = None
    alt: NonEmptyText


class Step(Text):
    """One paragraph of an answer. `picture` is a name in `pictures`."""

    link: Link | None = None
    picture: str = ""


class Question(_Model):
    """An entry of 常见问题."""

    question: Text
    answer: Annotated[tuple[Step, ...], Field(min_length=1)]


class University(_Model):
    """`university.toml`. `terms` translates values of the roster."""

    name: Text
    short_name: Text
    logo: str = ""
    """A file in the folder; if empty, the first character of the short name."""
    address: str = ""
    """The home page."""
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 480
    area_code: str = ""
    service: Text
    service_short: Text
    working_page: Text
    form_title: Text
    certificates: Text
    """What the printed form is needed to collect."""
    collection: Collection | None = None
    certificates_by: Literal["desk", "colleges"] = "desk"
    """Who hands them over: the graduate school's desk alone, or each college to its own students too."""
    support: Contact
    not_served: Contact
    """For students the service is not for."""
    roster: Contact
    """For students not on the roster."""
    sign_in_help: tuple[Contact, ...] = ()
    guide: Annotated[tuple[GuideRow, ...], Field(max_length=64)]
    note: tuple[Text, ...] = ()
    questions: Annotated[tuple[Question, ...], Field(max_length=64)] = ()
    pictures: Annotated[dict[str, Picture], Field(max_length=64)] = {}
    terms: dict[str, str] = {}

    @model_validator(mode="after")
    def _pictures_shown_are_described(self) -> "University":
        shown = {step.picture for question in self.questions for step in question.answer if step.picture}
        if missing := sorted(shown - set(self.pictures)):
            raise ValueError(f"a step shows the picture {missing[0]!r}, and there is no [pictures.{missing[0]}]")
        return self


def load(folder: Path) -> University:
    """Raises `ValueError` naming the file and the field at fault."""
    path = folder / "university.toml"
    try:
        university = University.model_validate(tomllib.loads(path.read_text("utf-8")))
        _check_pictures(university, folder / PICTURES)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {fault_of(error)}") from error
    return university


def departments(folder: Path, services: Path) -> dict[str, DepartmentManifest]:
    """With the university's `departments.toml` laid over their manifests."""
    path = folder / "departments.toml"
    overlay: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    return discover(services, overlay)


def _check_pictures(university: University, folder: Path) -> None:
    """Better an error at start than a hole in the page."""
    for title, picture in university.pictures.items():
        for name in sorted({name for file in (picture.file, picture.wide) if file for name in (file.zh, file.en)}):
            where = f"pictures.{title}: {name}"
            if not (folder / name).is_file():
                raise ValueError(f"{where} is not in {folder}: put it there, or take the picture out")
            try:
                size_of((folder / name).read_bytes())
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error


@dataclass(frozen=True, slots=True)
class Site:
    """What does not change while the gateway runs."""

    university: University
    departments: dict[str, DepartmentManifest]
    freshness_bound_s: float
    policy: ClearancePolicy = field(default_factory=ClearancePolicy)
    checks: Mapping[CheckKey, CheckManifest] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checks = {(name, one.name): one for name, department in self.departments.items() for one in department.checks}
        object.__setattr__(self, "checks", checks)
