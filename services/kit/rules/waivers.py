"""Checks that a student does not need: left out by a rule over roster attributes, or waived for one student. Pure.

A rule names the values that it is for: an attribute that is absent or unknown waives nothing.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from schemas.events import Name
from schemas.types import MAX_TEXT
from services.kit.manifests import Text
from services.kit.rules.fields import ShortLine

CheckKey = tuple[str, str]
"""Department and check."""


class WaiverKind(StrEnum):
    NOT_APPLICABLE = "not-applicable"
    """无需办理, made for this student."""
    RELEASED = "released"
    """特批放行: the check is blocked, and the graduate school lets it pass."""
    BY_RULE = "by-rule"
    """无需办理, by a rule of the university."""


class Attribute(StrEnum):
    """Of the roster, that a rule may name."""

    LEAVE_CATEGORY = "leave_category"
    DEGREE_LEVEL = "degree_level"
    CAMPUS = "campus"
    STUDY_FORM = "study_form"


class Waiver(BaseModel):
    """`until` is its last day, of a rule's none. `reason_en` is a rule's; staff write one reason."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    department: Name
    check: Name
    kind: WaiverKind
    reason: str
    reason_en: str = ""
    until: date | None = None

    @property
    def key(self) -> CheckKey:
        return self.department, self.check

    def reason_in(self, language: str) -> str:
        return self.reason_en or self.reason if language == "en" else self.reason


waiver_list: TypeAdapter[tuple[Waiver, ...]] = TypeAdapter(tuple[Waiver, ...])


def signed_waivers(waivers: Iterable[Waiver]) -> dict[str, dict[str, dict[str, str]]]:
    """As a form signs them: department → check → kind, reason and, of an exemption, its last day."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for waiver in waivers:
        until = {"until": waiver.until.isoformat()} if waiver.until else {}
        signed = {"kind": waiver.kind.value, "reason": waiver.reason, **until}
        found.setdefault(waiver.department, {})[waiver.check] = signed
    return found


def normal(word: str) -> str:
    """What spellings of one word have in common: NFKC, without spaces, in one case."""
    return "".join(unicodedata.normalize("NFKC", word).casefold().split())


def _both_languages(text: Text) -> Text:
    if not text.zh.strip() or not text.en.strip():
        raise ValueError("give the reason in both languages: { zh = …, en = … }")
    if max(len(text.zh), len(text.en)) > MAX_TEXT or "\x00" in text.zh + text.en:
        # Every form that it is on is an event.
        raise ValueError(f"a reason has at most {MAX_TEXT} characters, and no NUL")
    return text


CheckId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}$")]
"""As `dorm.check-out`."""
Values = Annotated[tuple[ShortLine, ...], Field(min_length=1, max_length=64)]


class CheckRule(BaseModel):
    """The `checks` are not for students all of whose attributes in `when` have one of the values there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    checks: Annotated[tuple[CheckId, ...], Field(min_length=1)]
    when: Annotated[dict[Attribute, Values], Field(min_length=1)]
    reason: Annotated[Text, AfterValidator(_both_languages)]

    def matches(self, attributes: Mapping[str, str | None]) -> bool:
        return all(
            normal(attributes.get(name) or "") in {normal(value) for value in values}
            for name, values in self.when.items()
        )


def rule_waivers(rules: Iterable[CheckRule], attributes: Mapping[str, str | None]) -> dict[CheckKey, Waiver]:
    """`attributes`: as on the roster. The first rule that names a check gives its reason."""
    found: dict[CheckKey, Waiver] = {}
    for rule in rules:
        if not rule.matches(attributes):
            continue
        for check_id in rule.checks:
            department, _, check = check_id.partition(".")
            waiver = Waiver(
                department=department,
                check=check,
                kind=WaiverKind.BY_RULE,
                reason=rule.reason.zh,
                reason_en=rule.reason.en,
            )
            found.setdefault(waiver.key, waiver)
    return found


def departments_to_ask(required: Mapping[str, Iterable[str]], waived: Iterable[CheckKey]) -> frozenset[str]:
    """Those with a check that is not waived. Without any, all: nothing is accepted on nobody's word."""
    waived = set(waived)
    asked = {name for name, checks in required.items() if any((name, check) not in waived for check in checks)}
    return frozenset(asked or required)
