"""Events on the wire: what is written, what is read, and how each refusal reads."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from schemas import codec
from schemas.codec import MAX_EVENT_BYTES, Headers, Unreadable
from schemas.events import CaseChanged, CaseState, CheckStatus, Reason, SourceAlive, StatusChanged, Verdict
from schemas.flows import source_of

pytestmark = pytest.mark.unit

NOW = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
EXAMPLES = Path(codec.__file__).parent / "examples"


def status(**changes: Any) -> StatusChanged:
    blocked = CheckStatus(
        check="borrowing",
        verdict=Verdict.BLOCKED,
        reasons=(Reason(code="books-not-returned", parameters={"count": 2}),),
        facts={"unreturned_count": 2, "debt": "0.00", "card": "active"},
    )
    given = {
        "student_id": f"T{uuid4().hex[:10].upper()}",
        "department": "library",
        "version": 3,
        "occurred_at": NOW,
        "cause": Reason(code="book-lent", parameters={"title": "离散数学"}),
        "checks": (blocked, CheckStatus(check="thesis", verdict=Verdict.CLEAR)),
    }
    return StatusChanged.model_validate({**given, **changes})


def written(event: Any = None) -> bytes:
    return codec.encode(event or status(), event_id=uuid4(), source=source_of("library"), time=NOW)


def altered(old: bytes, new: bytes) -> bytes:
    value = written()
    assert old in value
    return value.replace(old, new, 1)


def both_refuse(value: bytes, headers: Headers = ()) -> str:
    """The refusal of the model's reader, after checking that the hot path refuses too."""
    with pytest.raises(Unreadable):
        codec.read_status(value, codec.open_envelope(value, headers))
    with pytest.raises(Unreadable) as refusal:
        codec.read(value, headers)
    return str(refusal.value)


@pytest.mark.parametrize("cohort", [None, "2026", "2026届"])
def test_a_case_names_its_cohort_or_has_no_such_member(cohort: str | None) -> None:
    case = CaseChanged(student_id="TS20260001", version=1, state=CaseState.OPEN, occurred_at=NOW, cohort=cohort)

    data = json.loads(written(case))["data"]

    assert data.get("cohort") == cohort
    assert ("cohort" in data) == (cohort is not None)
    assert codec.read(written(case)) == case


@pytest.mark.parametrize("cohort", ["", "x" * 61])
def test_a_cohort_has_1_to_60_characters(cohort: str) -> None:
    with pytest.raises(ValueError, match="cohort"):
        CaseChanged(student_id="TS20260001", version=1, state=CaseState.OPEN, occurred_at=NOW, cohort=cohort)


def test_a_document_is_one_cloudevent_in_structured_mode() -> None:
    event = status()

    document = json.loads(codec.encode(event, event_id=uuid4(), source=source_of("library"), time=NOW))

    assert document["specversion"] == "1.0"
    assert document["type"] == "lixiao.status-changed.v1"
    assert document["source"] == "/lixiao/library"
    assert document["time"] == "2026-06-01T08:30:00+00:00"
    assert StatusChanged.model_validate(document["data"]) == event


@pytest.mark.parametrize(
    "event",
    [
        SourceAlive(department="library", as_of=NOW),
        CaseChanged(student_id="TS20260001", version=1, state=CaseState.NOT_SERVED, occurred_at=NOW),
    ],
    ids=["alive", "case"],
)
def test_an_event_is_read_back_as_it_was_written(event: Any) -> None:
    assert codec.read(written(event)) == event


def test_an_instant_keeps_its_moment_whatever_its_offset() -> None:
    shanghai = timezone(timedelta(hours=8))
    event = status(occurred_at=NOW.astimezone(shanghai))
    value = written(event)

    assert codec.read(value) == event
    assert codec.read_status(value, codec.open_envelope(value)).occurred_at == NOW


def test_binary_mode_is_read_too() -> None:
    event = status()
    headers = (
        ("CE_specversion", b"1.0"),
        ("ce_id", b"42"),
        ("ce_source", b"/elsewhere"),
        ("ce_type", b"lixiao.status-changed.v1"),
        ("ce_time", b"2026-06-01T08:30:00Z"),
        ("content-type", b"application/json"),
    )
    value = event.model_dump_json().encode()

    assert codec.read(value, headers) == event
    assert codec.read_status(value, codec.open_envelope(value, headers)).student_id == event.student_id


def test_the_content_type_decides_the_mode_when_headers_say_both() -> None:
    event = status()
    headers = (
        ("content-type", b"application/cloudevents+json; charset=utf-8"),
        ("ce_type", b"lixiao.source-alive.v1"),
    )

    assert codec.read(written(event), headers) == event


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
@pytest.mark.parametrize("text", [None, b"", b"\xff\xfe"], ids=["null", "empty", "not-utf-8"])
def test_a_header_without_readable_text_makes_the_record_unreadable(missing: str, text: bytes | None) -> None:
    good = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/x", "ce_type": b"lixiao.status-changed.v1"}
    headers = tuple({**good, missing: text}.items())

    both_refuse(status().model_dump_json().encode(), headers)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_is_none_makes_binary_mode_unreadable_even_in_an_unknown_field(number: bytes) -> None:
    good = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/x", "ce_type": b"lixiao.status-changed.v1"}

    both_refuse(status().model_dump_json().encode()[:-1] + b',"later":' + number + b"}", tuple(good.items()))


@pytest.mark.parametrize("text", [None, b"\xff"], ids=["null", "not-utf-8"])
def test_other_peoples_headers_do_not_matter_in_structured_mode(text: bytes | None) -> None:
    event = status()

    assert codec.read(written(event), (("content-type", text), ("x-anything", text))) == event


def test_a_record_without_a_value_is_no_event() -> None:
    with pytest.raises(Unreadable, match="tombstone"):
        codec.read(None)


def test_an_unknown_event_type_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="unknown event type"):
        codec.read(altered(b"status-changed.v1", b"status-changed.v9"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"verdict":"clear"', b'"verdict":"probably"'),
        (b'"verdict":"clear"', b'"verdict":"blocked","verdict":"clear"'),
        (b'"verdict":"clear"', b'"verdict":"blocked","\\u0076erdict":"clear"'),
        (b'"debt":"0.00"', b'"debt":"9.00","debt":"0.00"'),
        (b'"debt":"0.00"', b'"debt":0.5'),
        (b'"debt":"0.00"', b'"debt":NaN'),
        (b'"debt":"0.00"', b'"debt":{"yuan":"0.00"}'),
        (b'"debt":"0.00"', b'"debt":"\\u0000"'),
        (b'"debt":"0.00"', b'"debt":"\\ud800"'),
        (b'"debt":"0.00"', b'"debt":"\xff"'),
        (b'"debt":"0.00"', b'"debt":' + b"[" * 9000 + b"]" * 9000),
        (b'"debt":"0.00"', b'"debt":"' + b"9" * 1001 + b'"'),
        (b'"version":3', b'"version":0'),
        (b'"version":3', b'"version":2147483648'),
        (b'"version":3', b'"version":3.0'),
        (b'"version":3', b'"version":"3"'),
        (b'"version":3', b'"version":true'),
        (b'"version":3', b'"version":1' + b"0" * 5000),
        (b'"version":3,', b""),
        (b'"version":3', b'"version":2,"version":3'),
        (b'"department":"library"', b'"department":"Library"'),
        (b'"department":"library"', b'"department":"library\\n"'),
        (b'"check":"thesis"', b'"check":"borrowing"'),
        (b'"check":"thesis"', b'"check":"the_sis"'),
        (b'"code":"books-not-returned"', b'"code":""'),
        (b'"student_id":"T', b'"student_id":" T'),
        (b'"student_id":"T', b'"student_id":"t'),
        (b'"student_id":"T', b'"student_id":"\xef\xbc\xb4'),
        (b'"occurred_at":"2026-06-01T08:30:00Z"', b'"occurred_at":"2026-06-01T08:30:00"'),
        (b'"occurred_at":"2026-06-01T08:30:00Z"', b'"occurred_at":"2026-06-01 08:30:00Z"'),
        (b'"occurred_at":"2026-06-01T08:30:00Z"', b'"occurred_at":1780000000'),
        (b'"occurred_at":"2026-06-01T08:30:00Z"', b'"occurred_at":"0001-01-01T00:00:00+23:59"'),
        (b'"version":3', b'"later":1e400000,"version":3'),
        (b'"version":3', b'"later":0e-400000,"version":3'),
        (b'"version":3', b'"later":0.' + b"0" * 20_000 + b'1,"version":3'),
        (b'"version":3', b'"later":["\\udc00"],"version":3'),
        (b'"version":3', b'"later":' + b"[" * 9000 + b"]" * 9000 + b',"version":3'),
        (b'"specversion":"1.0"', b'"specversion":"0.3"'),
        (b',"data":', b',"data":{},"data":'),
        (b'"id":"', b'"id":"1","id":"'),
        (b'"id":"', b'"id":"1","\\u0069d":"'),
        (b',"datacontenttype":"application/json"', b',"source":"datacontenttype"'),
    ],
)
def test_a_near_miss_is_unreadable_by_both_readers(old: bytes, new: bytes) -> None:
    both_refuse(altered(old, new))


def test_empty_checks_say_nothing_and_are_unreadable() -> None:
    document = json.loads(written())
    document["data"]["checks"] = []

    assert "checks" in both_refuse(json.dumps(document).encode())


def test_fields_nobody_knows_yet_are_ignored() -> None:
    document = json.loads(written())
    document["tenant"] = "x"
    document["data"]["later"] = {"deep": [1.5, None]}
    document["data"]["checks"][1]["since"] = "2026-06-01"
    value = json.dumps(document).encode()

    assert isinstance(codec.read(value), StatusChanged)
    assert codec.read_status(value, codec.open_envelope(value)).version == 3


@pytest.mark.parametrize("later", [b"1e400", b"-2.5E-300", b'"\\ud83d\\ude00"', b"0.1234567890123456789"])
def test_what_a_database_can_store_may_stand_in_a_field_nobody_knows_yet(later: bytes) -> None:
    value = altered(b'"version":3', b'"later":' + later + b',"version":3')

    assert codec.read_status(value, codec.open_envelope(value)).version == 3
    assert isinstance(codec.read(value), StatusChanged)


def test_a_record_beyond_the_size_limit_is_neither_read_nor_written() -> None:
    both_refuse(written() + b" " * MAX_EVENT_BYTES)

    rows = [{"text": "字" * 900} for _ in range(150)]
    heavy = status(checks=(CheckStatus(check="thesis", verdict=Verdict.CLEAR, facts={"rows": rows}),))
    with pytest.raises(ValueError, match="at most"):
        written(heavy)


@pytest.mark.parametrize("title", ["\\u0000", "a\\\\u0000", "\\\\\\u0000", "\\"])
def test_characters_that_only_look_like_an_escaped_nul_are_text(title: str) -> None:
    event = status(cause=Reason(code="book-lent", parameters={"title": title}))

    value = written(event)

    assert codec.read(value) == event
    assert codec.read_status(value, codec.open_envelope(value)).cause.parameters == {"title": title}


@pytest.mark.parametrize("backslashes", [0, 2, 4])
def test_a_nul_behind_backslashes_of_a_text_is_unreadable(backslashes: int) -> None:
    assert "NUL" in both_refuse(altered(b'"debt":"0.00"', b'"debt":"' + b"\\" * backslashes + b'\\u0000"'))


def test_a_nul_character_is_not_written() -> None:
    with pytest.raises(ValueError, match="NUL"):
        written(status(cause=Reason(code="book-lent", parameters={"title": "a\x00b"})))


@pytest.mark.parametrize("place", ["verdict", "department", "student_id", "version", "occurred_at", "debt"])
def test_a_refusal_names_the_rule_and_never_the_value(place: str) -> None:
    secret = "Geheim 77; 王小明"
    document = json.loads(written())
    data = document["data"]
    for holder in (data, data["checks"][0], data["checks"][0]["facts"]):
        if place in holder:
            holder[place] = [secret] if place == "debt" else secret
    value = json.dumps(document, ensure_ascii=False).encode()

    with pytest.raises(Unreadable) as by_twin:
        codec.read_status(value, codec.open_envelope(value))

    for refusal in (both_refuse(value), str(by_twin.value)):
        assert refusal
        assert "Geheim" not in refusal
        assert "王" not in refusal


def test_a_refusal_names_no_student_whom_a_member_is_called_after() -> None:
    example = EXAMPLES / "lixiao.submission-accepted.v1" / "03-accepted-with-its-form.json"
    document = json.loads(example.read_text("utf-8"))
    form = document["data"]["form"]
    (department, attested), *_ = form["facts"].items()
    form["former"] = {"TS20200001": {department: {**attested, "version": 0}}}
    with pytest.raises(Unreadable) as refusal:
        codec.read(json.dumps(document).encode())
    assert str(refusal.value).startswith(f"form.former.….{department}.version: ")
