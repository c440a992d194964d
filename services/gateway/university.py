"""A university is a folder of configuration: its names, guide page, phones, manual, and overlay of the departments.

Nothing of one university is in code or templates: another deploys by writing its own folder.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.kit.departments import Department, Text, discover

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "config" / "universities"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GuideRow(_Part):
    """A labelled row of the guide page. An empty value is shown empty."""

    label: Text
    value: Text
    phones: bool = False
    """Whether numbers in the value are telephones, and become links."""


class Contact(_Part):
    """Whom to ask. `phone` and `mail` become links, `other` (a QQ group) is shown as text."""

    label: Text
    phone: str = ""
    mail: str = ""
    other: str = ""


class Question(_Part):
    """An entry of 常见问题. Paragraphs starting with a digit and a dot become steps."""

    question: Text
    answer: Annotated[tuple[Text, ...], Field(min_length=1)]


class University(_Part):
    """`university.toml`. `utc_offset_minutes` is the campus's clock; `terms` translates words of the roster's data."""

    name: Text
    short_name: Text
    logo: str = ""
    """File name of an SVG or PNG in the folder; empty: the first character of the short name stands for it."""
    address: str = ""
    """The home page; the name links to it when given."""
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 480
    area_code: str = ""
    service: Text
    service_short: Text
    working_page: Text
    form_title: Text
    certificates: Text
    """What the printed form is shown for."""
    support: Contact
    not_served: Contact
    """Whom a student whom the service is not for asks."""
    roster: Contact
    """Whom a student asks who is not on the roster."""
    sign_in_help: tuple[Contact, ...] = ()
    guide: Annotated[tuple[GuideRow, ...], Field(max_length=64)]
    note: tuple[Text, ...] = ()
    questions: Annotated[tuple[Question, ...], Field(max_length=64)] = ()
    terms: dict[str, str] = {}


def load(folder: Path) -> University:
    """The configuration in `folder`. Raises `ValueError` naming the file and the field at fault."""
    path = folder / "university.toml"
    try:
        return University.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def departments(folder: Path, services: Path) -> dict[str, Department]:
    """The departments found under `services`, with the university's `departments.toml` laid over their manifests."""
    path = folder / "departments.toml"
    overlay: dict[str, Any] = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    return discover(services, overlay)
