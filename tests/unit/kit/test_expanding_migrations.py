"""A migration leaves what the release before reads and writes, which goes on beside the new one (docs/deploying.md)."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from services.kit.manifests import SERVICES

FILES = sorted(SERVICES.rglob("migrations/**/*.sql"))
CONTRACTS: Final = "-- Contracts: "
"""Begins the file of a migration that takes away what no release in use needs any more, and says since which."""
BEFORE_THE_RULE: Final = {
    "clearance/migrations/0003_issue.sql",
    "clearance/migrations/0009_after_acceptance.sql",
    "clearance/migrations/0010_former_numbers.sql",
    "clearance/migrations/0012_exemption_case.sql",
    "clearance/migrations/0036_former_signatures.sql",
    "gateway/migrations/0002_staff.sql",
    "gateway/migrations/0004_forms_before.sql",
    "kit/migrations/imports/0003_questions.sql",
    "kit/migrations/imports/0006_outdated.sql",
    "kit/migrations/inbox/0002_incarnation.sql",
}
"""When whole installations were stopped for an upgrade."""
TAKES_AWAY: Final = {
    "drops a table, view, function, type, schema or trigger": r"DROP (TABLE|VIEW|FUNCTION|TYPE|SCHEMA|TRIGGER)",
    "drops a column": r"DROP COLUMN",
    "drops a constraint, which an upsert may name": r"DROP CONSTRAINT",
    "renames": r"RENAME",
    "changes a column's type": r"ALTER (COLUMN )?\w+ (SET DATA )?TYPE ",
    "asks for a value that was optional": r"SET NOT NULL|DROP DEFAULT",
    "takes a right": r"REVOKE",
}
_NO_DEFAULT: Final = re.compile(
    r"ADD COLUMN (?:(?!ADD COLUMN|DEFAULT|GENERATED).)*NOT NULL(?:(?!ADD COLUMN|DEFAULT).)*$"
)
_CONSTRAINED: Final = re.compile(r"ALTER TABLE (?:ONLY )?(\w+) .*ADD (?:CONSTRAINT|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)")
_UNIQUE: Final = re.compile(r"CREATE UNIQUE INDEX \w+ ON (\w+)")
_DROPPED_INDEX: Final = re.compile(r"DROP INDEX (?:IF EXISTS )?([\w, ]+)")
_CREATED: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+)")


def statements(text: str) -> Iterator[str]:
    """Each on one line, without comments and bodies of functions, which run when they are called."""
    text = re.sub(r"--[^\n]*", "", text)
    text = re.sub(r"\$(\w*)\$.*?\$\1\$", "''", text, flags=re.DOTALL)
    yield from (" ".join(statement.split()) for statement in text.split(";") if statement.strip())


def taken_away(text: str, unique_indexes: frozenset[str] = frozenset()) -> list[str]:
    """What an older process may miss or run into. `unique_indexes`: of earlier files, which upserts may name."""
    made = {name for statement in statements(text) for name in _CREATED.findall(statement)}
    found = []
    for statement in statements(text):
        found += [what for what, pattern in TAKES_AWAY.items() if re.search(rf"\b{pattern}\b", statement)]
        found += ["adds a column that older rows' writers do not know"] if _NO_DEFAULT.search(statement) else []
        for pattern, what in ((_CONSTRAINED, "constrains a table"), (_UNIQUE, "makes a table's rows unique")):
            found += [what for table in pattern.findall(statement) if table not in made]
        for names in _DROPPED_INDEX.findall(statement):
            found += ["drops a unique index" for name in names.split(", ") if name in unique_indexes]
    return found


def unique_indexes() -> frozenset[str]:
    return frozenset(name for file in FILES for name in re.findall(r"CREATE UNIQUE INDEX (\w+)", file.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SERVICES)))
def test_a_migration_takes_nothing_from_the_release_before(file: Path) -> None:
    text, name = file.read_text("utf-8"), str(file.relative_to(SERVICES))
    found = taken_away(text, unique_indexes())
    if name in BEFORE_THE_RULE or text.startswith(CONTRACTS):
        assert found, f"{name} takes nothing away: it needs no exception"
    else:
        assert found == [], f"{name}: add now, take away a release later, in a file that begins with {CONTRACTS!r}"


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE note;",
        "ALTER TABLE note DROP COLUMN text;",
        "ALTER TABLE note RENAME COLUMN text TO body;",
        "ALTER TABLE note RENAME TO remark;",
        "ALTER TABLE note ALTER COLUMN version TYPE bigint;",
        "ALTER TABLE note ALTER COLUMN text SET NOT NULL;",
        "ALTER TABLE note ADD COLUMN kind text NOT NULL;",
        "ALTER TABLE note ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN b text NOT NULL;",
        "ALTER TABLE note ADD CONSTRAINT note_kind CHECK (kind <> '');",
        "CREATE UNIQUE INDEX note_once ON note (student_id);",
        "DROP INDEX command_once;",
        "REVOKE SELECT ON note FROM lixiao_reader;",
        "DROP VIEW published.status_v1;",
    ],
)
def test_what_an_older_process_misses_is_found(sql: str) -> None:
    assert taken_away(sql, frozenset({"command_once"}))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE note (text text NOT NULL); CREATE UNIQUE INDEX note_once ON note (text);",
        "ALTER TABLE note ADD COLUMN kind text NOT NULL DEFAULT '', ADD COLUMN at timestamptz;",
        "ALTER TABLE note ALTER COLUMN text DROP NOT NULL;",
        "CREATE INDEX note_kind ON note (kind) WHERE kind IS NOT NULL; DROP INDEX note_age;",
        "-- DROP TABLE note;\nSELECT 1;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE note; END $$;",
        "CREATE OR REPLACE VIEW published.status_v1 AS SELECT 1;",
    ],
)
def test_what_only_adds_is_let_through(sql: str) -> None:
    assert taken_away(sql, frozenset({"command_once"})) == []
