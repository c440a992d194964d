"""Discovery of departments: a folder with a `department.toml` is one.

Topics, checks, pages and launcher start here, so that no code names a department. A university's configuration overlays
it.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import UNKNOWN_REASONS, Name
from services.kit.message_format import placeholders


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Manifest):
    """`{name}` is a parameter of the reason or cause."""

    zh: str
    en: str

    @model_validator(mode="after")
    def _fills_the_same_places(self) -> "Text":
        if placeholders(self.zh) != placeholders(self.en):
            raise ValueError(f"zh and en have different placeholders: {self.zh!r}, {self.en!r}")
        return self


class FieldManifest(_Manifest):
    """A fact on the page; `name` is its key in the facts or a table row."""

    name: str
    label: Text
    group: Text | None = None
    """Outer label on a wide screen (欠费情况 / 欠款金额(元))."""
    label_phone: Text | None = None
    kind: Literal["count", "money", "code", "text", "date"] = "text"
    codes: dict[str, Text] = {}
    """For `code`: value → text."""


class Link(_Manifest):
    label: Text
    address: str = ""
    """Empty: plain text."""


class DetailManifest(_Manifest):
    """A list beside the fields (the books that are out), shown while it has rows. `rows` is its fact."""

    rows: str
    fields: tuple[FieldManifest, ...]


class CommandManifest(_Manifest):
    """Offered exactly when the check's facts equal `offered_when`."""

    name: Name
    label: Text
    confirm: Text
    offered_when: dict[str, str | int]


class CheckManifest(_Manifest):
    name: Name
    title: Text
    phones: tuple[str, ...] = ()
    fields: tuple[FieldManifest, ...]
    rows: str | None = None
    """The fact that is a list; `fields` are its columns."""
    total: FieldManifest | None = None
    """Last table row."""
    empty: Text | None = None
    """Replaces a table without rows."""
    reasons: dict[Name, Text] = {}
    """Reason → what to do next, and where. Without the reserved codes of the contract: their words are the page's."""
    absent: Literal["clear", "blocked", "unknown"] = "unknown"
    """What no row about a student means once a covering load includes them: passed, not passed, or still not known."""
    with_department: frozenset[Name] = frozenset()
    """Reasons while it is the department's turn: the student has done their part."""
    notes: dict[str, Text] = {}
    """Fact → a sentence shown with it; `{name}` is a fact."""
    details: DetailManifest | None = None
    place: Text | None = None
    """Where it is done, and `hours` when: beside the phones."""
    hours: Text | None = None
    link: Link | None = None
    links: tuple[Link, ...] = ()
    """Where it is done online; one without an address is not shown."""
    command: CommandManifest | None = None

    @model_validator(mode="after")
    def _reasons_are_its_own(self) -> "CheckManifest":
        reserved = sorted(UNKNOWN_REASONS & self.reasons.keys())
        if reserved:
            raise ValueError(f"reasons: {', '.join(reserved)} is reserved by the contract")
        unknown = sorted(self.with_department - self.reasons.keys())
        if unknown:
            raise ValueError(f"with_department: {', '.join(unknown)} is no reason of the check")
        return self


class OperationManifest(_Manifest):
    """How an operation stands on the staff's page of the department."""

    label: Text
    rows: str | None = None
    """The record's list beside whose lines it is offered."""
    line: tuple[str, ...] = ()
    """Fields that a line of `rows` fills."""
    fill: dict[str, Literal["today", "person"]] = {}
    """Field → what it begins with: the day, or the name of who is signed in."""
    no_undo: Text | None = None
    """Why the office cannot take it back, and what to do instead."""


class DepartmentManifest(_Manifest):
    """`checks`: all must be clear to leave."""

    name: Name
    order: int
    title: Text
    icon: Literal["book", "box", "bed", "coins", "office"] = "office"
    checks: Annotated[tuple[CheckManifest, ...], Field(min_length=1)]
    causes: dict[Name, Text] = {}
    """Cause → short phrase."""
    headings: dict[str, str] = {}
    """More import columns: heading → field."""
    refusals: dict[Name, Text] = {}
    """Refusal → sentence."""
    operations: dict[Name, OperationManifest] = {}
    """By name; one without is called by its summary."""
    labels: dict[str, Text] = {}
    """Field of the record or of an operation → what the desk calls it."""

    @model_validator(mode="after")
    def _checks_are_distinct(self) -> "DepartmentManifest":
        names = [check.name for check in self.checks]
        if len(set(names)) != len(names):
            raise ValueError("two checks have the same name")
        return self

    @property
    def check_names(self) -> tuple[str, ...]:
        return tuple(check.name for check in self.checks)


SERVICES = Path(__file__).resolve().parents[1]


def discover(
    services: Path = SERVICES, overlay: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, DepartmentManifest]:
    """By name, in page order.

    `overlay`: department → manifest parts to replace; lists match by name. Raises `ValueError` for an invalid manifest
    or a name other than its folder's.
    """
    found: list[DepartmentManifest] = []
    for path in sorted(services.glob("*/department.toml")):
        manifest = _parsed(path.read_text("utf-8"))
        try:
            department = DepartmentManifest.model_validate(_merged(manifest, (overlay or {}).get(path.parent.name, {})))
        except ValueError as error:
            raise ValueError(f"{path.parent.name}/department.toml: {error}") from error
        if department.name != path.parent.name:
            raise ValueError(f"{path.parent.name}/department.toml: name is {department.name!r}, not the folder's")
        found.append(department)
    found.sort(key=lambda department: (department.order, department.name))
    return {department.name: department for department in found}


@lru_cache(maxsize=64)
def _parsed(text: str) -> dict[str, Any]:
    """By its text, not to be changed. A service asks a dozen times as it starts, and the files take 6 ms."""
    return tomllib.loads(text)


def required_checks(departments: Mapping[str, DepartmentManifest]) -> dict[str, tuple[str, ...]]:
    return {name: department.check_names for name, department in departments.items()}


def _merged(manifest: Any, overlay: Any) -> Any:
    if isinstance(manifest, dict) and isinstance(overlay, Mapping):
        return {**manifest, **{key: _merged(manifest.get(key), value) for key, value in overlay.items()}}
    if _is_named_list(manifest) and _is_named_list(overlay):
        changes = {part["name"]: part for part in overlay}
        return [_merged(part, changes.get(part["name"], {})) for part in manifest]
    return overlay


def _is_named_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) and "name" in part for part in value)
