"""The glossary names things that exist."""

import ast
import re
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
TERMS = [row for row in ROWS if row[0] != "term"]


def _defined(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        for target in [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", ()):
            names |= {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}
    return names


def _tables() -> set[str]:
    text = "\n".join(file.read_text("utf-8") for file in (ROOT / "services").rglob("migrations/**/*.sql"))
    return set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)", text))


def test_every_term_has_both_languages_and_a_place() -> None:
    assert len(TERMS) > 50
    assert [row for row in TERMS if len(row) != 5 or not all(row)] == []
    assert [row[0] for row in TERMS if not re.search(r"[\u4e00-\u9fff]", row[1] + row[3])] == []


def test_no_term_is_defined_twice() -> None:
    terms = [row[0] for row in TERMS]
    assert [term for term in terms if terms.count(term) > 1] == []


@pytest.mark.parametrize("row", TERMS, ids=[row[0] for row in TERMS])
def test_what_a_term_names_exists(row: list[str]) -> None:
    for place in re.findall(r"`([^`]+)`", row[-1]):
        if place.startswith("table "):
            assert place.removeprefix("table ") in _tables(), f"docs/glossary.md, {row[0]}: no {place}"
        elif place.startswith("topic "):
            assert hasattr(Topics, place.removeprefix("topic ")), f"docs/glossary.md, {row[0]}: no {place}"
        else:
            file, _, name = place.partition(": ")
            assert (ROOT / file).is_file(), f"docs/glossary.md, {row[0]}: no file {file}; write where {name} is now"
            assert name in _defined(ROOT / file), f"docs/glossary.md, {row[0]}: {file} defines no {name}"
