"""What each path is to reach, and whether a run reaches it: the lines at the end of `make bench`.

Every goal is of a figure that one of the measurements reports; those of measurements that were not run are left out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from bench.harness import Figure, Spread

RATIO: Final = "ratio"
PROCESSOR: Final = "processor µs"


@dataclass(frozen=True, slots=True)
class Goal:
    """`of`: RATIO, PROCESSOR or a name in the figure's `values`, which ends with its unit."""

    name: str
    measurement: str
    figure: str
    of: str
    compare: Literal[">=", "<="]
    threshold: float

    def reached(self, value: float) -> bool:
        return value >= self.threshold if self.compare == ">=" else value <= self.threshold

    def value_in(self, figure: Figure) -> Spread | None:
        if self.of == RATIO:
            return figure.ratio
        return figure.processor_us if self.of == PROCESSOR else figure.values.get(self.of)


GOALS: Final = (
    Goal("commit at the desk to view, p99", "latency", "a change at a desk", "p99 ms", "<=", 25),
    Goal("the same / bare relay and consumer", "latency", "a change at a desk", RATIO, "<=", 2.5),
    Goal("the same, latest under foreign load", "latency", "a change at a desk", "latest under load ms", "<=", 100),
    Goal("commit at the desk to open page, p99", "latency", "a desk's change on an open page", "p99 ms", "<=", 50),
    Goal("a desk's change, all processes", "latency", "a change at a desk", PROCESSOR, "<=", 5_000),
    Goal("relay / naive relay", "relay", "a row of an outbox", RATIO, ">=", 44),
    Goal("page / constant, warm", "gateway", "page /case", RATIO, ">=", 0.5),
    Goal("page warm, p99", "gateway", "page /case", "p99 ms", "<=", 20),
    Goal("page / constant, every read a miss", "gateway", "page, all changed", RATIO, ">=", 0.2),
    Goal("twin / constant, warm", "gateway", "twin /api/v1/case", RATIO, ">=", 0.5),
    Goal("twin / constant, every read a miss", "gateway", "twin, all changed", RATIO, ">=", 0.25),
    Goal("twin / idiomatic FastAPI", "gateway", "twin beside idiomatic FastAPI", RATIO, ">=", 7),
    Goal("twin / pgbench, one process", "gateway", "twin beside pgbench", RATIO, ">=", 0.2),
    Goal("projector / raw SQL limit", "projector", "an event projected", RATIO, ">=", 0.85),
    Goal("projector / plain FastStream", "peers", "projector beside FastStream one by one", RATIO, ">=", 35),
    Goal("projector / Pathway", "peers", "projector beside Pathway", RATIO, ">=", 1.2),
    Goal("projector / Quix Streams, tuned", "peers", "projector beside Quix Streams", RATIO, ">=", 2.5),
    Goal("projector / Flink SQL", "peers", "projector beside Flink SQL", RATIO, ">=", 1),
    Goal("rebuild / projector", "rebuild", "an event of a rebuild", RATIO, ">=", 1.5),
    *(
        Goal(f"{path} with {times} times the students", "cohorts", f"{path}, cohort x {times}", RATIO, ">=", 0.9)
        for times in (10, 100)
        for path in ("projector", "page, first read", "twin, first read")
    ),
    Goal("a submission at load, all processes", "submit", "a submission at 60/s", PROCESSOR, "<=", 30_000),
    Goal("submissions accepted at most", "submit", "submissions at most", "rate /s", ">=", 60),
    Goal("submissions at half of it, p99", "submit", "submissions at most", "p99 ms", "<=", 500),
    Goal("a stream's memory", "live", "a live stream opened", "memory KiB", "<=", 13),
    Goal("a page of everybody's change", "live", "a page of everybody's change", PROCESSOR, "<=", 15),
    Goal("view to open page, p99", "live", "a change to an open page", "p99 ms", "<=", 100),
    Goal("import of new students", "imports", "a row of an import", "rate /s", ">=", 3_000),
    Goal("memory of an import", "imports", "a row of an import", "memory MiB", "<=", 64),
    Goal("an idle installation, a second", "idle", "a second of nothing", PROCESSOR, "<=", 80_000),
)


def lines(figures: Iterable[Figure], goals: Iterable[Goal] = GOALS) -> Iterator[str]:
    """A header and a line for each goal that was measured; nothing without any. The median decides."""
    known = {one.what: one for one in figures}
    measured = [
        (goal, value)
        for goal in goals
        if goal.figure in known and (value := goal.value_in(known[goal.figure])) is not None
    ]
    if measured:
        yield f"{'goal':<44}{'':<16}{'measured':<40}met"
    for goal, value in measured:
        rounds = sum(map(goal.reached, value.values))
        met = "yes" if goal.reached(value.median) else "NO"
        # A median on one side with rounds on the other says that the goal is near, whichever it is.
        near = "" if rounds in (0, len(value.values)) else f", in {rounds} of {len(value.values)} rounds"
        unit = goal.of.rpartition(" ")[2] if goal.of != RATIO else ""
        wanted = f"{'≥' if goal.compare == '>=' else '≤'} {_number(goal.threshold)} {unit}"
        yield f"{goal.name:<44}{wanted:<16}{value.text(digits=_digits(goal.threshold)):<40}{met}{near}"
    if measured:
        reached = sum(goal.reached(value.median) for goal, value in measured)
        yield f"{reached} of {len(measured)} goals met"


def _digits(threshold: float) -> int:
    """Of a figure beside its goal."""
    return 2 if threshold < 10 else 1 if threshold < 100 else 0


def _number(threshold: float) -> str:
    return f"{threshold:,.10g}" if threshold < 1_000 else f"{threshold:,.0f}"
