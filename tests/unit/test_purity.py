"""Modules that call themselves pure are in import-linter's contract, and read no clock, which it cannot see."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

CONTRACT: Final = "Decisions are pure: no driver, no framework, no clock, no chance"
CLOCKS: Final = {"now", "today", "utcnow"}


def _patterns() -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [one for one in config["tool"]["importlinter"]["contracts"] if one["name"] == CONTRACT]
    return [re.escape(name).replace(r"\*", "[^.]+") for name in contract["source_modules"]]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES: Final = {_module(path): path for folder in ("schemas", "services") for path in (ROOT / folder).rglob("*.py")}
PURE: Final = [name for name in FILES if any(re.fullmatch(rf"{one}(\..+)?", name) for one in _patterns())]


def test_every_module_that_calls_itself_pure_is_in_the_contract() -> None:
    docstrings = {name: ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for name, path in FILES.items()}
    called = {name for name, text in docstrings.items() if re.search(r"\. Pure\b", text.partition("\n")[0])}
    assert len(called) > 10
    assert called - set(PURE) == set()


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reads_no_clock(name: str) -> None:
    calls = [node.func for node in ast.walk(ast.parse(FILES[name].read_text("utf-8"))) if isinstance(node, ast.Call)]
    assert [one.attr for one in calls if isinstance(one, ast.Attribute) and one.attr in CLOCKS] == []
