"""One mutant: simulated races in a process of their own that has the mistake, and what the checker found."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from tests.support.paths import ROOT

RACES: Final = 40
SEEDS: Final = (1, 2, 3, 4)
TIMEOUT_S: Final = 240


class Answer(TypedDict):
    """What the child prints. `found`: invariant → one example."""

    operations: int
    found: dict[str, str]
    unreached: list[str]


class Stale(AssertionError):
    """The mistakes of a mutant were never come to: it no longer fits the code."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`found`: invariant → one example; empty when nothing noticed."""

    found: dict[str, str]
    operations: int


def run(name: str, invariant: str, postgres: str, *, races: int = RACES, seeds: Sequence[int] = SEEDS) -> Verdict:
    """Races of one seed after another until the checker finds the `invariant` broken.

    Raises `Stale`, `RuntimeError`.
    """
    operations = 0
    found: dict[str, str] = {}
    unreached: set[str] | None = None
    for seed in seeds:
        answer = _child(name, postgres, races, seed)
        operations += answer["operations"]
        unreached = set(answer["unreached"]) & (unreached if unreached is not None else set(answer["unreached"]))
        found |= answer["found"]
        if invariant in found:
            return Verdict(found, operations)
    if unreached and not found:
        raise Stale(f"{name} never came to {sorted(unreached)}")
    return Verdict(found, operations)


def _child(name: str, postgres: str, races: int, seed: int) -> Answer:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.mutants.child", name, "--races", str(races), "--seed", str(seed)],
        cwd=ROOT,
        env={**os.environ, "LIXIAO_POSTGRES": postgres},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"the simulation ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    answer: Answer = json.loads(ended.stdout.splitlines()[-1])
    return answer
