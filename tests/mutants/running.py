"""One mutant: a copy of the tree with the mistake in it, races on its stage, and what the checker said."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

from tests.mutants.variants import Edit, Mutant
from tests.support.paths import ROOT

COPIED: Final = ("schemas", "services", "deploy", "tests", "config")
RACES: Final = 40
SEEDS: Final = (1, 2, 3, 4)
TIMEOUT_S: Final = 150


class Answer(TypedDict):
    """What the stage prints: invariant → how often, and one example."""

    operations: int
    found: dict[str, tuple[int, str]]


class Stale(AssertionError):
    """A mutant no longer fits the code: the text it replaces does not stand there exactly once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`found`: invariant → one example; empty when nobody noticed."""

    mutant: str
    found: dict[str, str]
    operations: int


def applied(root: Path, edits: Sequence[Edit]) -> None:
    """Make the mistakes in the tree at `root`. Raises `Stale`."""
    for edit in edits:
        path = root / edit.file
        text = path.read_text("utf-8")
        if text.count(edit.old) != 1:
            raise Stale(f"{edit.file}: {edit.old!r} stands there {text.count(edit.old)} times, not once")
        path.write_text(text.replace(edit.old, edit.new), "utf-8")


def copied(to: Path, files: Sequence[str] = ()) -> None:
    """A copy of the tree that can be broken, or of these files of it."""
    for name in COPIED if not files else ():
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in files:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, to / name)


def run(mutant: Mutant, postgres: str, *, races: int = RACES, seeds: Sequence[int] = SEEDS) -> Verdict:
    """Races on the mutant's stage, one seed after another until the checker sees it. Raises `Stale`, `RuntimeError`."""
    operations = 0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copied(root)
        applied(root, mutant.edits)
        for seed in seeds:
            answer = _simulated(root, postgres, races, seed, mutant.life_s)
            operations += answer["operations"]
            if answer["found"]:
                return Verdict(mutant.name, {name: said[1] for name, said in answer["found"].items()}, operations)
    return Verdict(mutant.name, {}, operations)


def _simulated(root: Path, postgres: str, races: int, seed: int, life_s: float) -> Answer:
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.faults.simulated",
            "--races",
            str(races),
            "--seed",
            str(seed),
            "--life",
            str(life_s),
        ],
        cwd=root,
        env={**os.environ, "LIXIAO_POSTGRES": postgres, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"the stage ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    answer: Answer = json.loads(ended.stdout.splitlines()[-1])
    return answer
