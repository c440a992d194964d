"""A status's text is read in parts as its model reads it whole."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import StatusChanged
from services.gateway.read_model import status_texts
from services.gateway.read_model.status_texts import read_status
from services.gateway.read_model.types import KnownStatus, known_status
from tests.support.samples.documents import STATUS_EXAMPLES, mutated, spelled

STATUSES: list[dict[str, Any]] = [json.loads(path.read_text("utf-8"))["data"] for path in STATUS_EXAMPLES]
MANY = settings(max_examples=600, deadline=None)


def by_model(text: str) -> KnownStatus | None:
    try:
        return known_status(StatusChanged.model_validate_json(text))
    except ValidationError:
        return None


def as_encoded(status: dict[str, Any]) -> str:
    return StatusChanged.model_validate(status).model_dump_json()


@MANY
@given(mutated(STATUSES), st.sampled_from(STATUSES))
def test_a_mutated_text_is_read_as_by_the_model(value: bytes, row: dict[str, Any]) -> None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return
    assert read_status(text, row["student_id"], row["department"]) == by_model(text)


MEMBERS = ("student_id", "department", "version", "occurred_at", "cause", "checks")


@MANY
@given(
    st.sampled_from(STATUSES),
    st.sampled_from(MEMBERS),
    st.one_of(
        st.sampled_from(["0", "01", "7", "2147483647", "2147483648", "1e1", "1.0", '"7"', "null", "[]", "{}"]),
        st.sampled_from(["2026-06-01T10:00:00.5Z", "2026-06-01T18:00:00+08:00", "2026-W23-1T10:00:00Z", "x"]).map(
            json.dumps
        ),
        st.text(max_size=40).map(json.dumps),
        st.from_regex(r'[0-9]{1,3}(,"(version|checks|cause)":[0-9]{1,3})?', fullmatch=True),
    ),
)
def test_a_text_with_another_member_is_read_as_by_the_model(status: dict[str, Any], name: str, member: str) -> None:
    written = {
        key: spelled(value, spaced=False, escaped=False) for key, value in json.loads(as_encoded(status)).items()
    }
    text = "{" + ",".join(f'"{key}":{member if key == name else value}' for key, value in written.items()) + "}"
    assert read_status(text, status["student_id"], status["department"]) == by_model(text)


@pytest.mark.parametrize("status", STATUSES, ids=lambda one: str(one["department"]))
def test_what_another_student_is_told_is_not_read_twice(
    status: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_status(as_encoded(status), status["student_id"], status["department"])
    other = {**status, "student_id": "TS29999999", "version": 77, "occurred_at": "2026-06-02T10:00:00Z"}
    monkeypatch.setattr(status_texts, "StatusChanged", None)
    second = read_status(as_encoded(other), "TS29999999", status["department"])
    assert first is not None
    assert second is not None
    assert second.checks is first.checks
    assert (second.student_id, second.version) == ("TS29999999", 77)
