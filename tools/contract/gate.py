"""Compatibility gate against the last release."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsoncompat

from schemas.events import EVENT_TYPES
from schemas.flows import receivers_of
from schemas.topics import Topics
from services.kit.manifests import discover
from tools.contract.compatibility import Breakage, breakages, without_additions


def last_release(schemas: Path) -> Path | None:
    """The highest version; None before the first."""
    folders = [path for path in (schemas / "released").glob("*") if path.is_dir()]
    return max(folders, key=lambda path: version_number(path.name), default=None)


def broken(released: Path, current: dict[str, dict[str, Any]]) -> dict[str, list[Breakage]]:
    """File name → breaking changes. A removed department's facts do not count."""
    departments = discover()
    found: dict[str, list[Breakage]] = {}
    for path in sorted(released.glob("*.json")):
        old = json.loads(path.read_text("utf-8"))
        if path.name in current:
            breaks = [*breakages(old, current[path.name])] or _second_opinion(old, current[path.name])
        elif path.name.startswith("facts.") and path.name.split(".")[1] not in departments:
            breaks = []
        else:
            breaks = [Breakage("$", "schema removed", "every reader")]
        if breaks:
            found[path.name] = breaks
    return found


def _second_opinion(old: dict[str, Any], new: dict[str, Any]) -> list[Breakage]:
    same = jsoncompat.check_compat(json.dumps(old), json.dumps(without_additions(old, new)), "both")
    return [] if same else [Breakage("$", "jsoncompat finds it incompatible", "old readers or published events")]


def explanation(name: str, breaks: Sequence[Breakage]) -> str:
    event = name.removesuffix(".json")
    model = EVENT_TYPES.get(event)
    readers = receivers_of(model, Topics(), discover()) if model else ("gateway",)
    stem, _, major = event.rpartition(".v")
    remedy = (
        f"Undo it, or add {stem}.v{int(major) + 1} beside {event}"
        if model
        else "Undo it, or give the new facts new names beside the old ones"
    )
    lines = [f"{name} breaks its readers:", *(f"  {each}" for each in breaks)]
    lines += [
        f"  Readers: {', '.join(readers)}.",
        f"  {remedy}: deploy readers of the new one first, then producers, then retire the old one.",
    ]
    return "\n".join(lines)


def version_number(text: str) -> tuple[int, ...]:
    """A sortable tuple; empty for no version."""
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
