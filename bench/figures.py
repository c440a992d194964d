"""Committed processor times, and by how much those of a run differ: a guard that somebody reads, not a test.

On a shared machine a tenth either way means nothing; the speed of the same machine alone differs by that.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bench.harness import Figure

FILE: Final = Path(__file__).with_name("figures.json")


def committed() -> dict[str, float]:
    """What → µs of processor each."""
    found: dict[str, float] = json.loads(FILE.read_text("utf-8"))
    return found


def keep(figures: Iterable[Figure]) -> None:
    """The others stay as they are."""
    now = {one.what: round(one.processor_us.median, 1) for one in figures if one.processor_us}
    known = committed() | now
    FILE.write_text(json.dumps(known, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def compared(known: Mapping[str, float], figures: Iterable[Figure]) -> Iterator[str]:
    yield f"{'µs of processor each':<40}{'committed':>12}{'now':>12}  moved"
    for one in figures:
        if one.processor_us is None:
            continue
        now, before = one.processor_us.median, known.get(one.what)
        moved = "not committed" if before is None else f"{now / before - 1:+.0%}" if before else "was 0"
        yield f"{one.what:<40}{'' if before is None else f'{before:,.0f}':>12}{now:>12,.0f}  {moved}"
