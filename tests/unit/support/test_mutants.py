"""Every mutant still fits the product, however the source is laid out; whether it is seen is tests/faults' to show."""

import re

import pytest

from tests.mutants.patch import Patch
from tests.mutants.variants import MUTANTS, Mutant
from tests.support.checker.checker import CHECKS
from tests.support.paths import ROOT

SOURCES = [
    # Adjacent literals are one statement.
    re.sub(r'"\s+f?"', "", file.read_text("utf-8"))
    for pattern in ("*.py", "*.sql")
    for file in (ROOT / "services").rglob(pattern)
]


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_what_a_mutant_changes_is_there(mutant: Mutant) -> None:
    patch = Patch()
    mutant.apply(patch)
    with patch.applied():
        assert patch.unreached
    for rewrite in patch.rewrites:
        assert any(rewrite.pattern.search(source) for source in SOURCES), f"no statement has {rewrite.old!r}"


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=lambda mutant: mutant.name)
def test_a_mutant_breaks_an_invariant_of_the_checker(mutant: Mutant) -> None:
    assert mutant.invariant in CHECKS


def test_a_statement_is_rewritten_whatever_its_white_space() -> None:
    patch = Patch()
    patch.sql("DELETE FROM hold WHERE", "DELETE FROM hold WHERE true OR", before="/* wrong */ ")
    assert (
        patch.rewritten("DELETE FROM\n    hold\n    WHERE id = $1")
        == "/* wrong */ DELETE FROM hold WHERE true OR id = $1"
    )
    assert patch.unreached == set()
    assert patch.rewritten("SELECT 1") == "SELECT 1"
