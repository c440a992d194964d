"""A university's `clearance.toml`: how its graduate school clears, for the clearance and for the page.

Both must read the same file, so that the page shows what a submission will be asked.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import Name
from services.kit.faults import fault_of
from services.kit.rules.fields import ShortLine
from services.kit.rules.waivers import Attribute, CheckKey, CheckRule, Waiver, normal, rule_waivers

FILE: Final = "clearance.toml"
CONFIGURATIONS: Final = Path(__file__).resolve().parents[2] / "config" / "universities"


class _Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Approvals(_Policy):
    """`one_person`: actions that take effect when they are proposed. Every other one needs a second person."""

    one_person: frozenset[Name] = frozenset()
    expire_after_hours: Annotated[int, Field(ge=1, le=2_160)] = 168


class LeaveCategory(_Policy):
    """`words`: how rosters write it, the name included. `served`: whether its students use the service."""

    name: ShortLine
    served: bool
    words: Annotated[tuple[ShortLine, ...], Field(max_length=64)] = ()


GRADUATING: Final = LeaveCategory(name="毕业离校", served=True)


class ClearancePolicy(_Policy):
    """`not_applicable`: rules that leave checks out."""

    approvals: Approvals = Approvals()
    not_applicable: tuple[CheckRule, ...] = ()
    leave_category: Annotated[tuple[LeaveCategory, ...], Field(min_length=1, max_length=64)] = (GRADUATING,)

    @model_validator(mode="after")
    def _words_are_distinct(self) -> "ClearancePolicy":
        found: dict[str, str] = {}
        for category in self.leave_category:
            for word in {normal(each) for each in (category.name, *category.words)}:
                if word in found:
                    raise ValueError(f"leave_category: {category.name} and {found[word]} have the same word {word!r}")
                found[word] = category.name
        return self

    @model_validator(mode="after")
    def _rules_name_categories(self) -> "ClearancePolicy":
        names = [category.name for category in self.leave_category]
        for number, rule in enumerate(self.not_applicable):
            if unknown := [each for each in rule.when.get(Attribute.LEAVE_CATEGORY, ()) if each not in names]:
                raise ValueError(
                    f"not_applicable.{number}.when.leave_category: {unknown[0]!r} is none of {', '.join(names)}"
                )
        return self

    @property
    def served(self) -> "ServedCategories":
        return ServedCategories(self)

    def category_of(self, word: str) -> LeaveCategory | None:
        """None for a word that the configuration does not have."""
        wanted = normal(word)
        fits = (each for each in self.leave_category if wanted in map(normal, (each.name, *each.words)))
        return next(fits, None)

    def waived_by_rule(self, attributes: Mapping[str, str | None]) -> dict[CheckKey, Waiver]:
        """`attributes`: as on the roster; the leave category stands for its configured name."""
        if not self.not_applicable:
            return {}
        category = self.category_of(attributes.get(Attribute.LEAVE_CATEGORY) or "")
        named = {**attributes, Attribute.LEAVE_CATEGORY.value: category.name if category else None}
        return rule_waivers(self.not_applicable, named)

    def check_rules(self, required: Mapping[str, Iterable[str]]) -> None:
        """Raises `ValueError` if a rule names a check that no department has."""
        known = {f"{name}.{check}" for name, checks in required.items() for check in checks}
        for number, rule in enumerate(self.not_applicable):
            if unknown := [check for check in rule.checks if check not in known]:
                raise ValueError(
                    f"not_applicable.{number}.checks: {unknown[0]!r} is none of {', '.join(sorted(known))}"
                )


class ServedCategories:
    """The leave categories whose students use the service, as rosters write them. A word not configured is none."""

    def __init__(self, policy: ClearancePolicy) -> None:
        self._policy = policy

    def __contains__(self, word: object) -> bool:
        category = self._policy.category_of(word) if isinstance(word, str) else None
        return category is not None and category.served

    def recognises(self, word: str) -> bool:
        return self._policy.category_of(word) is not None


def load_policy(university: Path | None, required: Mapping[str, Iterable[str]]) -> ClearancePolicy:
    """Defaults without the file. `required`: department → its checks, which rules may name.

    Raises `ValueError` naming the file and the field at fault.
    """
    path = (university or CONFIGURATIONS / "cumt") / FILE
    return read_policy(path, required) if path.exists() else ClearancePolicy()


def read_policy(path: Path, required: Mapping[str, Iterable[str]]) -> ClearancePolicy:
    try:
        policy = ClearancePolicy.model_validate(tomllib.loads(path.read_text("utf-8")))
        policy.check_rules(required)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {fault_of(error)}") from error
    return policy
