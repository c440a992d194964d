"""What another `clearance.toml` would change for the students on the roster. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from services.kit.clearance_policy import ClearancePolicy
from services.kit.rules.waivers import Attribute, normal

NEEDED = "needed"
NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True)
class StudentChange:
    """`what`: a check (`dorm.check-out`), or `served`. `now` and `then`: what it is, and what it would be."""

    student_id: str
    what: str
    now: str
    then: str


@dataclass
class PolicyChanges:
    """`unnamed`: (attribute, value) that no rule of the new file names → students: every check is theirs."""

    students: int = 0
    changes: list[StudentChange] = field(default_factory=list)
    unnamed: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def counts(self) -> Counter[tuple[str, str, str]]:
        return Counter((change.what, change.now, change.then) for change in self.changes)


def policy_changes(
    roster: Iterable[tuple[str, Mapping[str, str | None]]], current: ClearancePolicy, new: ClearancePolicy
) -> PolicyChanges:
    """`roster`: student numbers and attributes."""
    found = PolicyChanges()
    named = _named_values(new)
    for student_id, attributes in roster:
        found.students += 1
        found.changes += _changes_of(student_id, attributes, current, new)
        for attribute, values in named.items():
            value = attributes.get(attribute) or ""
            if normal(value) not in values:
                found.unnamed[attribute, value] += 1
    return found


def _changes_of(
    student_id: str, attributes: Mapping[str, str | None], current: ClearancePolicy, new: ClearancePolicy
) -> Iterator[StudentChange]:
    waived, then_waived = current.waived_by_rule(attributes).keys(), new.waived_by_rule(attributes).keys()
    for department, check in sorted(waived ^ then_waived):
        now, then = (NEEDED, NOT_NEEDED) if (department, check) in then_waived else (NOT_NEEDED, NEEDED)
        yield StudentChange(student_id, f"{department}.{check}", now, then)
    category = attributes.get(Attribute.LEAVE_CATEGORY) or ""
    now, then = _served(current, category), _served(new, category)
    if now != then:
        yield StudentChange(student_id, "served", now, then)


def _served(policy: ClearancePolicy, word: str) -> str:
    category = policy.category_of(word)
    return "word not recognised" if category is None else "served" if category.served else "not served"


def _named_values(policy: ClearancePolicy) -> dict[str, set[str]]:
    """Attribute → the values that rules name; the leave category has words of its own."""
    named: dict[str, set[str]] = {}
    for rule in policy.not_applicable:
        for attribute, values in rule.when.items():
            if attribute is not Attribute.LEAVE_CATEGORY:
                named.setdefault(attribute.value, set()).update(normal(value) for value in values)
    return named
