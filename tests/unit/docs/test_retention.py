"""docs/retention.md has a row for every table and topic, with the setting that ends it and whether it is forgotten."""

import re
from typing import Final

import pytest

from schemas.flows import CLEARANCE, GATEWAY, NOTICES, flows
from schemas.topics import Topics
from services.kit.manifests import SERVICES
from services.kit.retention.tables import IMPORTS, MESSAGING, Table
from tests.support.paths import ROOT
from tests.support.retention import DEPARTMENT, SETTINGS, TABLES

PAGE: Final = (ROOT / "docs" / "retention.md").read_text("utf-8")
SHARED: Final = (*MESSAGING, *IMPORTS)
SECTIONS: Final[dict[str, tuple[Table, ...]]] = {
    "Every service": MESSAGING,
    "Imports": IMPORTS,
    "A department": tuple(table for table in TABLES[DEPARTMENT] if table not in SHARED),
    "The clearance": tuple(table for table in TABLES[CLEARANCE] if table not in SHARED),
    "The gateway": tuple(table for table in TABLES[GATEWAY] if table not in SHARED),
    "The notice service": tuple(table for table in TABLES[NOTICES] if table not in SHARED),
}
CREATED: Final = re.compile(r"CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([a-z_.]+)", re.IGNORECASE)


def rows_of(section: str) -> dict[str, list[str]]:
    """Name → about a person, kept, forgotten."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in (*cells[1:], "")[:3]] for cells in rows}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_table_has_a_row_that_agrees_with_the_code(section: str) -> None:
    rows, tables = rows_of(section), {table.name: table for table in SECTIONS[section]}
    assert list(rows) == list(tables)
    for name, (_, kept, forgotten) in rows.items():
        keep = tables[name].keep
        assert re.findall(r"LIXIAO_([A-Z_]+)", kept)[:1] == ([keep.upper()] if keep else []), name
        assert (forgotten == "yes") is bool(tables[name].forget), name


def test_every_table_of_a_migration_has_a_row() -> None:
    created = {
        name for file in SERVICES.rglob("migrations/**/*.sql") for name in CREATED.findall(file.read_text("utf-8"))
    }
    missing = created - {name for section in SECTIONS for name in rows_of(section)}
    assert sorted(missing) == [], "give it a row in docs/retention.md and an entry in its service's list of tables"


def test_every_topic_has_a_row_with_how_long_it_is_kept() -> None:
    topics = Topics()
    policy = {spec.name: spec.config["cleanup.policy"] for spec in topics.specs(["library"])}
    expected = {
        flow.topic.removeprefix("lixiao.").replace("library", "<department>"): policy[flow.topic]
        for flow in flows(topics, ["library"])
    }
    rows = rows_of("Topics")
    assert sorted(rows) == sorted(expected)
    for name, (_, kept, forgotten) in rows.items():
        compacted = expected[name] == "compact"
        assert (kept == "newest state", forgotten == "by tombstone") == (compacted, compacted), name


def test_every_setting_has_its_default_in_the_table() -> None:
    listed = {
        name.lower(): int(days) for name, days in re.findall(r"^\| `LIXIAO_(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    }
    assert listed == {name: getattr(SETTINGS, name) for name in listed}
    assert {table.keep for tables in TABLES.values() for table in tables if table.keep} <= set(listed)
