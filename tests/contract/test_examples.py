"""Every consumer's decoder over every example ever published."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import codec
from schemas.events import (
    EVENT_TYPES,
    NO_DATA,
    TYPE_OF,
    UNKNOWN_REASONS,
    AttestationGiven,
    CaseChanged,
    CaseState,
    CheckStatus,
    StatusChanged,
    SubmissionRefused,
    Verdict,
)
from tests.support.samples.documents import EXAMPLES, SCHEMAS, STATUS_EXAMPLES, example_id

pytestmark = pytest.mark.contract


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / "json" / f"{name}.json").read_text("utf-8"))
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def data_of(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))["data"]
    return data


@pytest.mark.parametrize("path", EXAMPLES, ids=example_id)
def test_the_reader_of_every_consumer_reads_every_example(path: Path) -> None:
    event = codec.read(path.read_bytes())

    assert TYPE_OF[type(event)] == path.parent.name


@pytest.mark.parametrize("path", EXAMPLES, ids=example_id)
def test_every_example_is_valid_by_the_published_schema(path: Path) -> None:
    validator(path.parent.name).validate(data_of(path))


@pytest.mark.parametrize("path", STATUS_EXAMPLES, ids=example_id)
def test_the_projectors_reader_sees_the_verdicts_of_every_status(path: Path) -> None:
    value = path.read_bytes()
    model = codec.read(value)

    fast = codec.read_status(value, codec.open_envelope(value))

    assert isinstance(model, StatusChanged)
    assert [(check.check, check.verdict) for check in fast.checks] == [(c.check, c.verdict) for c in model.checks]
    assert (fast.student_id, fast.department, fast.version) == (model.student_id, model.department, model.version)


@pytest.mark.parametrize("path", STATUS_EXAMPLES, ids=example_id)
def test_the_facts_of_every_status_follow_the_departments_own_schema(path: Path) -> None:
    data = data_of(path)
    for check in data["checks"]:
        if NO_DATA in {reason["code"] for reason in check.get("reasons", ())}:
            assert check["facts"] == {}
        else:
            validator(f"facts.{data['department']}.{check['check']}").validate(check["facts"])


def test_every_event_has_several_examples() -> None:
    counts = Counter(path.parent.name for path in EXAMPLES)

    assert counts.keys() == EVENT_TYPES.keys()
    assert min(counts.values()) >= 2


def test_the_examples_show_every_state_and_both_verdicts() -> None:
    events = [codec.read(path.read_bytes()) for path in EXAMPLES]

    assert {event.state for event in events if isinstance(event, CaseChanged)} == set(CaseState)
    statuses = [event for event in events if isinstance(event, StatusChanged)]
    assert {check.verdict for status in statuses for check in status.checks} == set(Verdict)


def test_a_check_that_is_not_known_is_blocked_to_a_reader_that_does_not_know_the_reserved_codes() -> None:
    events = [codec.read(path.read_bytes()) for path in EXAMPLES]
    by_type: dict[type[StatusChanged] | type[AttestationGiven], list[CheckStatus]] = {
        model: [check for event in events if isinstance(event, model) for check in event.checks]
        for model in (StatusChanged, AttestationGiven)
    }

    for model, codes in ((StatusChanged, UNKNOWN_REASONS), (AttestationGiven, {NO_DATA})):
        unknown = [check for check in by_type[model] if UNKNOWN_REASONS & {reason.code for reason in check.reasons}]
        assert {reason.code for check in unknown for reason in check.reasons} >= codes
        assert {check.verdict for check in unknown} == {Verdict.BLOCKED}
    refused = [event for event in events if isinstance(event, SubmissionRefused)]
    objections = [reason for event in refused for reasons in event.objections.values() for reason in reasons]
    assert {reason.code for reason in objections} >= UNKNOWN_REASONS


def test_a_case_is_read_with_and_without_a_cohort() -> None:
    events = [codec.read(path.read_bytes()) for path in EXAMPLES]

    assert {event.cohort for event in events if isinstance(event, CaseChanged)} > {None, "2026"}


def test_no_two_examples_have_the_same_id() -> None:
    ids = Counter(json.loads(path.read_text("utf-8"))["id"] for path in EXAMPLES)

    assert ids.most_common(1)[0][1] == 1
