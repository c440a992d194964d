"""Reads the call trees of docs/architecture.md and holds each line to the source.

A line is `function  file  remark`, indented under its caller. Calls through helpers of the caller's own file count as
the caller's. `f (as g)` is a function that its caller knows as `g`: a parameter, an attribute or a table of handlers.
`~ topic status` is a hop: its word stands in the file of a step above and in the file of the step below, or in the
file the hop names.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "architecture.md"
FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

_FENCE: Final = re.compile(r"^```text walk\n(.*?)^```", re.MULTILINE | re.DOTALL)
_STEP: Final = re.compile(r"^( *)([\w.]+)(?: \(as (\w+)\))? {2,}([\w/]+\.py)(?: {2,}(\S.*))?$")
_HOP: Final = re.compile(r"^( *)~ (table|queue|topic|channel|event) (\w+)(?: {2,}([\w/]+\.py))?(?: {2,}\S.*)?$")


@dataclass(frozen=True)
class Line:
    """`name` is the function, or the hop's word; `known_as` what the caller calls it."""

    number: int
    depth: int
    name: str
    file: str | None
    known_as: str = ""
    hop: bool = False

    @property
    def path(self) -> Path:
        assert self.file is not None
        return ROOT / self.file if self.file.startswith("schemas/") else ROOT / "services" / self.file

    def __str__(self) -> str:
        return f"docs/architecture.md:{self.number} `{self.name}`"


def trees(page: str) -> list[list[Line]]:
    return [[_line(text, number) for number, text in block] for block in _blocks(page)]


def _blocks(page: str) -> Iterator[list[tuple[int, str]]]:
    for found in _FENCE.finditer(page):
        first = page.count("\n", 0, found.start(1)) + 1
        yield list(enumerate(found[1].splitlines(), first))


def _line(text: str, number: int) -> Line:
    if step := _STEP.match(text):
        return Line(number, len(step[1]) // 2, step[2], step[4], step[3] or "")
    hop = _HOP.match(text)
    assert hop, f"docs/architecture.md:{number}: neither `function  file  remark` nor `~ topic name`: {text!r}"
    return Line(number, len(hop[1]) // 2, hop[3], hop[4], hop=True)


def faults(tree: list[Line]) -> list[str]:
    """What does not agree with the source, each as a sentence that says what to edit."""
    found: list[str] = []
    callers: list[Line] = []
    above: list[Line] = []
    previous_hop = False
    for line, following in zip(tree, [*tree[1:], None], strict=True):
        if not (line.depth or line.hop) and above and not previous_hop:
            found.append(f"{line}: a step without a caller needs a hop above it")
        previous_hop = line.hop
        if line.hop:
            found += _hop_faults(line, above, following)
            callers = callers[: line.depth]
            continue
        found += _step_faults(line, callers[line.depth - 1] if line.depth else None, line.depth > len(callers))
        callers = [*callers[: line.depth], line]
        above.append(line)
    return found


def _step_faults(line: Line, caller: Line | None, too_deep: bool) -> list[str]:
    if too_deep:
        return [f"{line}: indented deeper than its caller allows"]
    if not line.path.is_file():
        return [f"{line}: there is no {line.file}; write the file the function is in now"]
    if line.name not in functions(line.path):
        near = sorted(name for name in functions(line.path) if name.rpartition(".")[2] == line.name.rpartition(".")[2])
        return [f"{line}: {line.file} has no such function{f', but {near}' if near else ''}; write its present name"]
    if caller is None or not caller.path.is_file() or caller.name not in functions(caller.path):
        return []
    wanted = line.known_as or line.name.rpartition(".")[2]
    if wanted not in reached(caller.path, caller.name):
        return [f"{line}: `{caller.name}` in {caller.file} no longer reaches `{wanted}`; indent it under its caller"]
    if line.known_as and not _handed_over(line):
        return [f"{line}: nothing hands `{line.name}` over as `{line.known_as}`"]
    return []


def _hop_faults(hop: Line, above: list[Line], following: Line | None) -> list[str]:
    if following is None or following.hop:
        return [f"{hop}: a hop leads to the step below it"]
    word = re.compile(rf"\b{hop.name}\b")
    writers = sorted({line.path for line in above if line.path.is_file()})
    found = []
    if not any(word.search(path.read_text("utf-8")) for path in writers):
        found.append(f"{hop}: no file of a step above it writes this word")
    reader = hop if hop.file else following
    if not (reader.path.is_file() and word.search(reader.path.read_text("utf-8"))):
        found.append(f"{hop}: {reader.file} does not have this word; name the file that subscribes or reads")
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def functions(path: Path) -> dict[str, ast.AST]:
    """Every function of the file by its qualified name (`Desk.change`); one inside a function by its own name too."""
    found: dict[str, ast.AST] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, FUNCTION):
                found[f"{prefix}{child.name}"] = child
                walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                walk(child, f"{prefix}{child.name}.")
            else:
                walk(child, prefix)

    walk(_tree(path), "")
    return found


@cache
def reached(path: Path, function: str) -> frozenset[str]:
    """Every name the function uses, directly or in functions of the same file that it uses."""
    return frozenset(name for each in _closure(path, function) for name in _names(functions(path)[each]))


@cache
def _closure(path: Path, function: str) -> frozenset[str]:
    by_name: dict[str, list[str]] = {}
    for qualified in functions(path):
        by_name.setdefault(qualified.rpartition(".")[2], []).append(qualified)
    todo, seen = [function], {function}
    while todo:
        used = _names(functions(path)[todo.pop()])
        following = {each for name in used for each in by_name.get(name, ())} - seen
        seen |= following
        todo += following
    return frozenset(seen)


def _names(function: ast.AST) -> set[str]:
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return used | {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}


@cache
def _all_names() -> frozenset[str]:
    return frozenset(name for path in (ROOT / "services").rglob("*.py") for name in _names(_tree(path)))


def _handed_over(line: Line) -> bool:
    """Whether the function is named somewhere as a value, or a decorator registers it."""
    return line.name.rpartition(".")[2] in _all_names() or bool(
        getattr(functions(line.path)[line.name], "decorator_list", ())
    )


def visited(line: Line) -> set[str]:
    """The files whose functions this step calls by an imported name, itself or through helpers of its own file."""
    imported = _imported(line.path)
    found: set[str] = set()
    for function in _closure(line.path, line.name):
        for node in ast.walk(functions(line.path)[function]):
            if isinstance(node, ast.Call):
                module = _called_module(node.func, imported)
                if module is not None:
                    found.add(module)
    return found


def _called_module(function: ast.expr, imported: dict[str, tuple[str, str]]) -> str | None:
    """`f()` of `from m import f`, or `m.f()` of `from p import m`. Classes and their methods are data, not steps."""
    if isinstance(function, ast.Name) and function.id in imported:
        module, name = imported[function.id]
        return None if name[0].isupper() else _short(f"{module.replace('.', '/')}.py")
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in imported:
        module, name = imported[function.value.id]
        file = f"{module.replace('.', '/')}/{name}.py"
        return _short(file) if (ROOT / file).is_file() else None
    return None


def _short(file: str) -> str:
    return file.removeprefix("services/")


@cache
def _imported(path: Path) -> dict[str, tuple[str, str]]:
    """Name in this file → module and name it was imported from, of our own."""
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("services", "schemas")
        for alias in node.names
    }
