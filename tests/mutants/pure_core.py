"""mutmut over the pure core: rules of the departments, the view's fold, settlement, the gateway's decision.

What it changes and which tests it runs stands in pyproject.toml; `mutmut browse` shows each survivor.
"""

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 900
KILLED: Final = ("killed", "timeout", "segfault")


def report(root: Path) -> Iterator[str]:
    """Run mutmut in the tree at `root`; a line a module with its score, and the total. Raises `RuntimeError`."""
    ended = subprocess.run(
        [sys.executable, "-m", "mutmut", "run"], cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if ended.returncode:
        raise RuntimeError(f"mutmut ended with {ended.returncode}:\n{(ended.stdout + ended.stderr)[-3000:]}")
    listed = subprocess.run(
        [sys.executable, "-m", "mutmut", "results", "--all", "true"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    by_module: dict[str, Counter[bool]] = defaultdict(Counter)
    for line in listed.stdout.splitlines():
        name, _, state = line.strip().partition(": ")
        if state:
            by_module[name.rpartition(".")[0]][state in KILLED] += 1
    for module, count in sorted(by_module.items()):
        yield f"{module:<44}{_score(count)}"
    yield f"{'all':<44}{_score(sum(by_module.values(), Counter()))}"


def _score(count: "Counter[bool]") -> str:
    return f"{count[True] / count.total():.1%} ({count[True]} of {count.total()} killed)"
