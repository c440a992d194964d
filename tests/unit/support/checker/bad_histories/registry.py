"""The bad histories: each is a good one with one thing changed, under the invariant that it breaks."""

from collections.abc import Callable

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Fact

OTHER = "00000000-0000-4000-8000-00000000000f"
BAD: list[tuple[str, str, Callable[[Evidence], Evidence]]] = []


def breaks(invariant: str) -> Callable[[Callable[[Evidence], Evidence]], Callable[[Evidence], Evidence]]:
    def register(make: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
        BAD.append((invariant, make.__name__, make))
        return make

    return register


def place(journal: list[Fact], kind: type) -> int:
    return next(at for at, fact in enumerate(journal) if isinstance(fact, kind))
