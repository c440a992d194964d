"""A pool's session is not reset when it is given back: only modules that are known for it leave something in theirs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

LEAVES_SOMETHING: Final = re.compile(
    r"""
    \bpg_(try_)?advisory_lock(_shared)?\s*\(
    | (^|;)\s* (set\s+(session\s+)?(?!local\b)[\w.]+\s*(=|to\b) | listen\s+\S+\s*(;|$) | set\s+(session\s+)?role\b)
    | \bset_config\s*\([^()]*,\s*false\s*\)
    | \btemp(orary)?\s+(table|view|sequence|$) | \bcursor\s+with\s+hold\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
ON_A_CONNECTION: Final = frozenset({"add_listener", "add_log_listener", "set_type_codec", "set_builtin_type_codec"})
KNOWN: Final = {
    "services/clearance/view/rebuilding/rebuild.py": "a connection of its own",
    "services/clearance/view/rebuilding/rebuilt_table.py": "the same connection",
    "services/kit/postgres/leadership.py": "a connection of its own, or a lock that is given up",
    "services/kit/postgres/migrations.py": "a connection of its own",
    "services/kit/postgres/notifications.py": "a connection of its own",
    "services/kit/provisioning/databases.py": "a connection of its own",
}


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "?" for part in node.values)
            yield "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def leaves_something(source: str) -> bool:
    tree = ast.parse(source)
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(called & ON_A_CONNECTION) or any(LEAVES_SOMETHING.search(text) for text in texts(tree))


def test_only_known_modules_leave_something_in_a_session() -> None:
    files: list[Path] = [*(ROOT / "services").rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if leaves_something(file.read_text("utf-8"))}
    assert found == set(KNOWN)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock($1)",
        "select pg_try_advisory_lock_shared(7)",
        "SET statement_timeout = '1s'",
        "SELECT 1; SET SESSION timezone TO 'UTC'",
        "LISTEN outbox",
        "SELECT set_config('lixiao.erasing', 'on', false)",
        "CREATE TEMP TABLE rows (id int)",
    ],
)
def test_what_would_stay_in_a_session_is_found(statement: str) -> None:
    assert leaves_something(f"_QUERY = {statement!r}")
    assert leaves_something(f'_QUERY = f"{{HEAD}} {statement}"') or statement.startswith(("SET", "LISTEN"))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_xact_lock($1)",
        "SET LOCAL statement_timeout = '1s'",
        "UPDATE hold SET asked_at = now()",
        "UPDATE hold\n SET asked_at = now()",
        "SELECT set_config('lixiao.erasing', 'on', true)",
    ],
)
def test_what_ends_with_its_transaction_may_be_done(statement: str) -> None:
    assert not leaves_something(f"_QUERY = {statement!r}")
