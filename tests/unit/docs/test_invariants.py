"""The page on invariants describes the checks and mutants there are, and no other."""

import re

from tests.mutants.variants import MUTANTS
from tests.support.checker.checker import CHECKS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "invariants.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if re.match(r"\| [SL]\d", line)]


def test_every_check_is_described_under_its_code_and_name_in_order() -> None:
    described = [(code, name, check.strip("`")) for code, name, _, check, _ in ROWS]
    assert described == [(code, name, check.__name__) for code, (name, check) in CHECKS.items()]
    assert all(holds.endswith(".") for _, _, holds, _, _ in ROWS)


def test_every_mutant_stands_beside_the_invariant_it_breaks() -> None:
    listed = {name.strip(): code for code, *_, names in ROWS for name in names.split(";") if name.strip()}
    assert listed == {mutant.name: mutant.invariant for mutant in MUTANTS.values()}


def test_every_file_the_page_names_is_there() -> None:
    paths = re.findall(r"`((?:tests|docs)/[\w/.]+)`", PAGE)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
