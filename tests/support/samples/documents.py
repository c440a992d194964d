"""Published examples, and what can be done to one: the raw material of the contract tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.support.paths import ROOT

SCHEMAS = ROOT / "schemas"
EXAMPLES = sorted((SCHEMAS / "examples").glob("*/*.json"))
STATUS_EXAMPLES = [path for path in EXAMPLES if path.parent.name == "lixiao.status-changed.v1"]


def example_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


class Repeated(dict[str, Any]):
    """An object written with one of its keys a second time, with another value."""

    def __init__(self, members: dict[str, Any], key: str, second: Any) -> None:
        super().__init__(members)
        self.key, self.second = key, second


def spelled(value: Any, *, spaced: bool, escaped: bool) -> str:
    """JSON text of `value`, NaN and repeated keys included."""
    comma, colon = (", ", ": ") if spaced else (",", ":")
    if isinstance(value, dict):
        members = list(value.items())
        if isinstance(value, Repeated):
            members.append((value.key, value.second))
        inner = (
            f"{json.dumps(key, ensure_ascii=escaped)}{colon}{spelled(part, spaced=spaced, escaped=escaped)}"
            for key, part in members
        )
        return "{" + comma.join(inner) + "}"
    if isinstance(value, list):
        return "[" + comma.join(spelled(part, spaced=spaced, escaped=escaped) for part in value) + "]"
    return value if isinstance(value, Verbatim) else json.dumps(value, ensure_ascii=escaped)


class Verbatim(str):
    """JSON text to be written as it is."""

    __slots__ = ()


def deep(levels: int) -> Verbatim:
    return Verbatim("[" * levels + "]" * levels)


_INSTANTS = [
    "2026-06-01T10:00:00",
    "2026-06-01T10:00:00Z",
    "2026-06-01T10:00:00.000Z",
    "2026-06-01T18:00:00+08:00",
    "2026-06-01T10:00:00-00:00",
    "2026-06-01T10:00:00+24:00",
    "2026-06-01 10:00:00Z",
    "2026-06-01t10:00:00z",
    "2026-06-01T10:00Z",
    "2026-06-01T10:00:60Z",
    "2026-06-01T10:00:00.1234567Z",
    "2026-13-01T10:00:00Z",
    "2026-06-01",
    "1780000000",
    "0001-01-01T00:00:00+23:59",
    "1999-12-31T23:59:59Z",
    "3000-01-01T00:00:00Z",
    "12026-06-01T10:00:00Z",
]
_TEXTS = [
    "", "clear", "blocked", "maybe", "Clear", "clear ", "x", "a-b", "A", "9", "-", "a_b", "a\n", "TS20260001",
    "TS2026\n", "T", "T" * 32, "T" * 33, "TS 2026", "TS2026０", "学生", "a" * 63, "a" * 64, "x" * 1000, "x" * 1001,
    "😀" * 1000, "a\u0000b", "\ud800", "\\u0000", '"', "library",
]  # fmt: skip
_NUMBERS = [0, 1, -1, 2, 7.0, 1.5, 1e2, 2**31 - 1, 2**31, 2**53 - 1, 2**53, -(2**53), 2**63, 2**64, 10**30]
_ODD: list[Any] = [
    None, True, False, [], {}, [[]], [{}], [1], ["x"], {"a": 1}, {"a": {"b": 1}}, [{"a": 1}], [{"a": [1]}], {"": 1},
    float("nan"), float("inf"), Verbatim("1e999"), Verbatim("-0"), Verbatim("1E2"), Verbatim("01"),
    Verbatim("9" * 5000), deep(50), deep(150), deep(300), deep(5000), {"k" * 64: 1}, {"k" * 65: 1},
    {f"k{i}": i for i in range(32)},
    {f"k{i}": i for i in range(33)}, {f"k{i}": i for i in range(65)}, [{"a": 1}] * 512, [{"a": 1}] * 513,
]  # fmt: skip

POOL = [*_INSTANTS, *_TEXTS, *_NUMBERS, *_ODD]
"""Values to put in place of a good one: near misses of every kind of field, and things no field takes."""


@st.composite
def mutated(draw: st.DrawFn, documents: list[Any]) -> bytes:
    """One of `documents` after up to three changes, in one of four spellings, sometimes with a foreign byte inside."""
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(0, 3))):
        document = _changed(draw, document)
    text = spelled(document, spaced=draw(st.booleans()), escaped=draw(st.booleans()))
    value = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(value)))
        value = (
            value[:at]
            + draw(st.sampled_from([b"\xff", b"\xc3", b"\x00", b"\n", b"}", b'"', b",", b"\xef\xbb\xbf"]))
            + value[at:]
        )
    return value


def _changed(draw: st.DrawFn, node: Any) -> Any:
    """`node` with one change made at a place chosen on the way down."""
    if isinstance(node, dict) and node:
        key = draw(st.sampled_from(sorted(node)))
        if draw(st.integers(0, 2)):
            return _copied(node, {**node, key: _changed(draw, node[key])})
        return _object_changed(draw, node, key)
    if isinstance(node, list) and node:
        index = draw(st.integers(0, len(node) - 1))
        kind = draw(st.sampled_from(["inside", "inside", "inside", "drop", "repeat", "empty", "flood"]))
        rest: dict[str, Callable[[], list[Any]]] = {
            "inside": lambda: [*node[:index], _changed(draw, node[index]), *node[index + 1 :]],
            "drop": lambda: [*node[:index], *node[index + 1 :]],
            "repeat": lambda: [*node, node[index]],
            "empty": lambda: [],
            "flood": lambda: node * 40,
        }
        return rest[kind]()
    return draw(st.sampled_from(POOL))


def _object_changed(draw: st.DrawFn, node: dict[str, Any], key: str) -> Any:
    kind = draw(st.sampled_from(["drop", "replace", "unknown", "repeat", "repeat-same", "rename", "reorder"]))
    if kind == "drop":
        return {name: part for name, part in node.items() if name != key}
    if kind == "replace":
        return {**node, key: draw(st.sampled_from(POOL))}
    if kind == "unknown":
        return {**node, draw(st.sampled_from(["later", "x", "k" * 64, "k" * 65, ""])): draw(st.sampled_from(POOL))}
    if kind == "rename":
        return {(name.upper() if name == key else name): part for name, part in node.items()}
    if kind == "reorder":
        return dict(reversed(node.items()))
    return Repeated(node, key, node[key] if kind == "repeat-same" else draw(st.sampled_from(POOL)))


def _copied(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return Repeated(new, old.key, old.second) if isinstance(old, Repeated) else new
