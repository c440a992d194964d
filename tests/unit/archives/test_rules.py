"""The archives over every state, every act in every state, and rows of an import."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason, Verdict
from services.archives.operations import RULES
from services.archives.rules import ArchivesRecord, Thesis, assess
from services.kit.operations import Refused
from tests.support.in_process.pure_desk import PureDesk

pytestmark = pytest.mark.unit

STUDENT = "TS20267002"
desk = PureDesk(RULES, STUDENT)
do, row = desk.do, desk.row


@pytest.mark.parametrize(
    ("state", "verdict", "reasons"),
    [
        ("empty", "blocked", ["thesis-empty"]),
        ("submitted", "blocked", ["thesis-submitted"]),
        ("approved", "clear", []),
    ],
)
def test_only_an_approved_thesis_passes(state: str, verdict: str, reasons: list[str]) -> None:
    (check,) = assess(ArchivesRecord(thesis=Thesis(state))).checks
    assert check.verdict is Verdict(verdict)
    assert [reason.code for reason in check.reasons] == reasons
    assert check.facts == {"thesis": state}


def test_nothing_on_record_is_no_thesis() -> None:
    assert ArchivesRecord().thesis is Thesis.EMPTY


@pytest.mark.parametrize(
    ("before", "act", "after", "said"),
    [
        ("empty", "received", "submitted", "thesis-received"),
        ("empty", "approved", None, "thesis-not-received"),
        ("empty", "returned", None, "thesis-not-received"),
        ("submitted", "received", "submitted", "thesis-received"),
        ("submitted", "approved", "approved", "thesis-approved"),
        ("submitted", "returned", "empty", "thesis-returned"),
        ("approved", "received", None, "thesis-already-approved"),
        ("approved", "approved", "approved", "thesis-approved"),
        ("approved", "returned", "empty", "thesis-returned"),
    ],
)
def test_a_thesis_goes_through_its_states_or_is_refused(before: str, act: str, after: str | None, said: str) -> None:
    record = ArchivesRecord(thesis=Thesis(before))
    if after is None:
        with pytest.raises(Refused) as refused:
            do(record, act)
        assert refused.value.reason == Reason(code=said)
        return
    changed, cause = do(record, act)
    assert (changed.thesis, cause) == (Thesis(after), Reason(code=said))
    assert (changed is record) == (before == after)


@pytest.mark.parametrize("before", list(Thesis))
@pytest.mark.parametrize("state", ["empty", "submitted", "approved"])
def test_a_row_says_how_it_stands_and_again_changes_nothing(before: Thesis, state: str) -> None:
    once = row(ArchivesRecord(thesis=before), state=state)
    assert once.thesis == state
    assert row(once, state=state) is once


@pytest.mark.parametrize(
    ("cells", "field"),
    [({"state": "lost"}, "state"), ({"state": ""}, "state"), ({"state": "approved", "box": "7"}, "box")],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        row(ArchivesRecord(), **cells)
    assert [problem["loc"] for problem in wrong.value.errors()] == [(field,)]


@given(st.lists(st.sampled_from(sorted(desk.operations)), max_size=20))
def test_any_history_ends_in_a_state_that_can_be_assessed_and_stored(history: list[str]) -> None:
    record = ArchivesRecord()
    for act in history:
        try:
            record, _ = do(record, act)
        except Refused:
            continue
    assert assess(record).clear == (record.thesis is Thesis.APPROVED)
    assert ArchivesRecord.model_validate_json(record.model_dump_json()) == record
