"""The acceptance list and the tests that show it: `python -m tests.support.acceptance` writes docs/acceptance.md.

A test names what it shows: `@pytest.mark.acceptance("S-032")`, more than one id where it shows more.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT, TESTS

LIST: Final = TESTS / "acceptance.toml"
TABLE: Final = ROOT / "docs" / "acceptance.md"
PAGE: Final = "page"
HEAD: Final = """\
# Requirements and the tests that show them

Made by `python -m tests.support.acceptance` from `tests/acceptance.toml` and the marks of the tests. A test fails when
this file is out of date, when a requirement has no test, or when one that a page must meet has no browser test.

| id | requirement | tests |
|---|---|---|
"""


@dataclass(frozen=True)
class Line:
    """One line of the list. `where` is `page`, or says what else shows it."""

    id: str
    line: str
    where: str


@dataclass(frozen=True)
class Shown:
    """A test that says that it shows a line."""

    id: str
    level: str
    file: str
    test: str


def lines() -> tuple[Line, ...]:
    """The list."""
    return tuple(Line(id, **entry) for id, entry in tomllib.loads(LIST.read_text("utf-8")).items())


def shown(folder: Path = TESTS) -> tuple[Shown, ...]:
    """Every mark of every test below `folder`, found in the source: nothing is imported or run."""
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        level, *inside = file.relative_to(folder).parts
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found += [Shown(id, level, "/".join(inside), node.name) for id in _marks(node)]
    return tuple(found)


def table() -> str:
    """The text of docs/acceptance.md."""
    marks = shown()
    rows = []
    for line in lines():
        tests = [f"{one.level}/{one.file}: {_sentence(one.test)}" for one in marks if one.id == line.id]
        what = line.line if line.where == PAGE else f"{line.line} *({line.where})*"
        rows.append(f"| {line.id} | {what} | {'<br>'.join(tests)} |")
    return HEAD + "\n".join(rows) + "\n"


def _marks(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.acceptance":
            for given in mark.args:
                yield str(ast.literal_eval(given))


def _sentence(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    TABLE.write_text(table(), "utf-8")
    print(f"{TABLE.relative_to(ROOT)}: {len(lines())} lines, {len(shown())} marks")
