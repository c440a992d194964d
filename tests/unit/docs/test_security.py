"""docs/security.md: every row names tests that exist."""

import ast
import re
from typing import Final

import pytest

from tests.support.paths import ROOT

PAGE: Final = (ROOT / "docs" / "security.md").read_text("utf-8")
TABLE: Final = PAGE.partition("## Requirements")[2]
ROWS: Final = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if line.startswith("| ")]
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py): (test_\w+)`")


def _defined(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0].split(" ")[0])
def test_a_row_says_whether_it_is_met_and_names_tests_that_exist(row: list[str]) -> None:
    requirement, met, how, tests = row
    assert met == "yes" or met.startswith("part: "), requirement
    assert how, requirement
    named = NAMED.findall(tests)
    assert len(named) == tests.count("`") / 2 > 0, f"{requirement}: `tests/<file>.py: test_<name>`"
    for file, name in named:
        assert (ROOT / file).is_file(), f"{requirement}: there is no {file}"
        assert name in _defined(file), f"{requirement}: {file} has no {name}"


def test_a_requirement_has_one_row() -> None:
    requirements = [row[0] for row in ROWS]
    assert len(ROWS) > 20
    assert len(set(requirements)) == len(requirements)
