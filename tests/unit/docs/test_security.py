"""docs/security.md: a row for every requirement of ASVS 5.0.0, levels 1 and 2, that names tests, files and settings."""

import ast
import re
from functools import cache
from itertools import chain
from typing import Final

import pytest

from services.clearance.settings import ClearanceSettings
from services.gateway.settings import GatewaySettings
from tests.support.paths import ROOT

PAGE: Final = (ROOT / "docs" / "security.md").read_text("utf-8")
TABLE: Final = PAGE.partition("## Requirements")[2]
ROWS: Final = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE.splitlines() if line.startswith("| ")]
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py): (test_\w+)`")
FIELDS: Final = {**GatewaySettings.model_fields, **ClearanceSettings.model_fields}
REQUIREMENTS: Final = """
1.1.1-2 1.2.1-9 1.3.1-11 1.4.1-3 1.5.1-2
2.1.1-3 2.2.1-3 2.3.1-4 2.4.1-1
3.2.1-2 3.3.1-4 3.4.1-6 3.5.1-5 3.7.1-2
4.1.1-3 4.2.1-1 4.3.1-2 4.4.1-4
5.1.1-1 5.2.1-3 5.3.1-2 5.4.1-3
6.1.1-3 6.2.1-12 6.3.1-4 6.4.1-4 6.5.1-5 6.6.1-3 6.8.1-4
7.1.1-3 7.2.1-4 7.3.1-2 7.4.1-5 7.5.1-2 7.6.1-2
8.1.1-2 8.2.1-3 8.3.1-1 8.4.1-1
9.1.1-3 9.2.1-4
10.1.1-2 10.2.1-2 10.3.1-4 10.4.1-11 10.5.1-5 10.6.1-2 10.7.1-3
11.1.1-2 11.2.1-3 11.3.1-3 11.4.1-4 11.5.1-1 11.6.1-1
12.1.1-3 12.2.1-2 12.3.1-4
13.1.1-1 13.2.1-5 13.3.1-2 13.4.1-5
14.1.1-2 14.2.1-4 14.3.1-3
15.1.1-3 15.2.1-3 15.3.1-7
16.1.1-1 16.2.1-5 16.3.1-4 16.4.1-3 16.5.1-3
17.1.1-1 17.2.1-4 17.3.1-2
"""
"""Section and numbers of the requirements of levels 1 and 2; those of level 3 are left out."""


@cache
def _defined(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0].split(" ")[0])
def test_a_row_says_whether_it_is_met_and_names_what_exists(row: list[str]) -> None:
    requirement, met, how, evidence = row
    assert met in ("yes", "n/a") or re.match(r"(part|no): .", met), requirement
    assert how, requirement
    named = NAMED.findall(evidence)
    for file, name in named:
        assert (ROOT / file).is_file(), f"{requirement}: there is no {file}"
        assert name in _defined(file), f"{requirement}: {file} has no {name}"
    others = re.findall(r"`([^`]+)`", NAMED.sub("", evidence))
    for other in others:
        is_setting = other.removeprefix("LIXIAO_").lower() in FIELDS
        assert is_setting or (ROOT / other).is_file(), f"{requirement}: {other} is no file and no setting"
    assert bool(named or others) is (met != "n/a"), f"{requirement}: a test, a file or a setting"


def test_a_requirement_has_one_row_and_none_is_left_out() -> None:
    texts = [row[0] for row in ROWS]
    assert len(set(texts)) == len(texts)
    listed = set(chain.from_iterable(re.findall(r"\d+\.\d+\.\d+", text) for text in texts))
    sections = re.findall(r"(\d+\.\d+)\.(\d+)-(\d+)", REQUIREMENTS)
    wanted = {f"{section}.{n}" for section, first, last in sections for n in range(int(first), int(last) + 1)}
    assert len(wanted) == 253
    assert wanted - listed == set()


def test_every_place_that_the_page_leads_to_is_there() -> None:
    titles = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
