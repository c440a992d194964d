"""The glossary names things that exist, and no public name uses a word that a term of the field has replaced."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
TERMS = [row for row in ROWS if row[0] != "term"]

FOLDERS = ("schemas", "services", "deploy", "tools", "bench")
REPLACED = {
    *{
        "bell",
        "crashpoint",
        "doubt",
        "heard",
        "hears",
        "house",
        "inbox",
        "lane",
        "lanes",
        "letter",
        "letters",
        "nobody",
    },
    *{"parked", "passed", "said", "says", "showing", "somebody", "speak", "speaker", "told", "whoever", "wish"},
}
"""Words no public name has: the glossary's and the field's terms stand in their place (`DeadLetter` is one)."""


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


def _public(body: list[ast.stmt]) -> Iterator[str]:
    """Classes, functions, constants and fields, those of classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)
        for target in [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", ()):
            yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))


def _replaced(name: str) -> set[str]:
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
    return (words & REPLACED) - ({"letter", "letters"} if "dead" in words else set())


def test_no_public_name_uses_a_word_that_was_replaced() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    names = {
        (file.relative_to(ROOT), name) for file in files for name in _public(ast.parse(file.read_text("utf-8")).body)
    }
    names |= {(file.relative_to(ROOT), file.stem) for file in files}
    assert len(names) > 1000
    assert [f"{file}: {name}" for file, name in sorted(names) if name[0] != "_" and _replaced(name)] == []


def test_no_import_needs_another_name_for_what_is_ours() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {alias.name} as {alias.asname}"
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FOLDERS
        for alias in node.names
        if alias.asname not in (None, alias.name)
    ]
    assert found == []
