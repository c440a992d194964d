"""The list of reported cases names tests that are there, one a case."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in (ROOT / "tests" / "reports.md").read_text("utf-8").splitlines()
    if re.match(r"\| [^|]*\| [^|]*\| `", line)
]


def test_each_case_has_what_is_right_and_a_test() -> None:
    assert len(ROWS) > 40
    assert all(case and right for case, right, _ in ROWS)
    assert len({case for case, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("named", sorted({test.strip("`") for _, _, test in ROWS}))
def test_a_named_test_is_there(named: str) -> None:
    path, _, name = named.partition("::")
    assert name in _tests(ROOT / path)


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
