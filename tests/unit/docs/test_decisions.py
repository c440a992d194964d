"""Every decision has a number of its own and stands in the list under its own title."""

import re

from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


def test_no_number_is_taken_twice_and_each_page_begins_with_its_own() -> None:
    numbers = [page.name[:4] for page in PAGES]
    assert len(set(numbers)) == len(numbers)
    headings = [page.read_text("utf-8").partition(" ·")[0] for page in PAGES]
    assert headings == [f"# {number}" for number in numbers]


def test_the_list_has_every_page_in_order() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\)", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert listed == [(page.name[:4], page.name) for page in PAGES]
