"""Breadth-first search of every state of a model, with the shortest trace to what must not happen.

Our own, and no package: the one at hand (minicheck 0.4) searches the same way, but is untyped, has one maintainer and
no release of its author's on the index, makes a dictionary of every state for every property and searches anew for
liveness. What is used of it are these lines.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Steps = Callable[[S], Iterable[tuple[str, S]]]


class TooManyStates(Exception):
    """Nothing is shown by a search that did not end."""


@dataclass(frozen=True, slots=True)
class Found(Generic[S]):
    """`broken`: the property that the last state of the `trace` breaks, None if none does."""

    states: int
    broken: str | None = None
    trace: tuple[str, ...] = ()
    last: S | None = None


def search(
    start: S,
    steps: Steps[S],
    properties: Mapping[str, Callable[[S], bool]],
    *,
    own: Callable[[str], bool] = lambda _: True,
    at_rest: Mapping[str, Callable[[S], bool]] | None = None,
    limit: int = 2_000_000,
) -> Found[S]:
    """`properties` hold in every state. From every state one of each of `at_rest` can be reached by `own` steps alone.

    The trace to the first state that breaks one is a shortest. Raises `TooManyStates`.
    """
    before: dict[S, tuple[S, str] | None] = {start: None}
    own_steps: list[tuple[S, S]] = []
    order = [start]
    for state in order:
        for name, holds in properties.items():
            if not holds(state):
                return Found(len(before), name, _trace(before, state), state)
        for label, following in steps(state):
            if at_rest and own(label):
                own_steps.append((following, state))
            if following not in before:
                before[following] = state, label
                order.append(following)
        if len(before) > limit:
            raise TooManyStates(len(before))
    for name, is_goal in (at_rest or {}).items():
        reaching = _reaching({state for state in order if is_goal(state)}, own_steps)
        for state in order:
            if state not in reaching:
                return Found(len(before), name, _trace(before, state), state)
    return Found(len(before))


def _reaching(goals: set[S], backwards: list[tuple[S, S]]) -> set[S]:
    sources: dict[S, list[S]] = {}
    for following, state in backwards:
        sources.setdefault(following, []).append(state)
    found, to_do = set(goals), list(goals)
    while to_do:
        for state in sources.get(to_do.pop(), ()):
            if state not in found:
                found.add(state)
                to_do.append(state)
    return found


def _trace(before: Mapping[S, tuple[S, str] | None], state: S) -> tuple[str, ...]:
    labels: list[str] = []
    while (step := before[state]) is not None:
        state, label = step
        labels.append(label)
    return tuple(reversed(labels))
