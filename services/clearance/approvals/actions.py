"""What two persons decide: an action's body, the roles that propose and confirm it, and its effect."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import Field

from services.kit.operations import OperationBody
from services.kit.postgres.pool import Connection
from services.kit.rules.fields import Line


class ProposalBody(OperationBody):
    """An action's own body adds its fields."""

    reason: Line = Field(description="Why, for the second person and the audit log.")


B = TypeVar("B", bound=ProposalBody)


class ActionRefused(Exception):
    """It cannot take effect, and nothing was changed. `slug` makes the problem's type."""

    def __init__(self, slug: str, title: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(slug)
        self.slug = slug
        self.title = title
        self.remedy = remedy
        self.field = field


@dataclass(frozen=True, slots=True)
class Approved(Generic[B]):
    """`confirmed_by` is the proposer where one person decides."""

    proposal_id: int
    body: B
    proposed_by: str
    confirmed_by: str
    at: datetime


@dataclass(frozen=True)
class Action(Generic[B]):
    """`apply` takes part in the confirming transaction, which holds the student's case locked.

    `check`, in the proposing one, refuses early what could not take effect. Both raise `ActionRefused`.
    """

    name: str
    summary: str
    body: type[B]
    proposes: str
    confirms: str
    apply: Callable[[Connection, Approved[B]], Awaitable[None]]
    check: Callable[[Connection, B], Awaitable[object]]
    examples: tuple[dict[str, Any], ...] = ()
    always_two: bool = False
    """The configuration cannot have one person decide."""


def action_registry(actions: Iterable[Action[Any]], one_person: frozenset[str]) -> Mapping[str, Action[Any]]:
    """By name. Raises `ValueError` if two have one name or the configuration names one that is not there."""
    found: dict[str, Action[Any]] = {}
    for action in actions:
        if action.name in found:
            raise ValueError(f"two actions are named {action.name}")
        found[action.name] = action
    if unknown := sorted(one_person - found.keys()):
        raise ValueError(f"approvals.one_person: {unknown[0]!r} is none of {', '.join(sorted(found))}")
    if always := sorted(name for name in one_person if found[name].always_two):
        raise ValueError(f"approvals.one_person: {always[0]!r} is always decided by two persons")
    return found
