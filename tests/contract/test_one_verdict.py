"""The model, its fast decoder and the published schema on the same documents, good, bad and nearly good."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import codec
from schemas.codec import StatusData, Unreadable
from schemas.events import CheckStatus, Message, Reason, StatusChanged, Verdict, json_schema
from schemas.flows import source_of
from tests.support.samples.documents import EXAMPLES, STATUS_EXAMPLES, mutated

pytestmark = pytest.mark.contract

STATUSES = [json.loads(path.read_text("utf-8")) for path in STATUS_EXAMPLES]
DOCUMENTS = [json.loads(path.read_text("utf-8")) for path in EXAMPLES]
STATUS_SCHEMA = Draft202012Validator(json_schema(StatusChanged), format_checker=Draft202012Validator.FORMAT_CHECKER)
MANY = settings(max_examples=600, deadline=None)
UTC_2026 = datetime(2026, 6, 1, 8, tzinfo=UTC)
BINARY = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"lixiao.status-changed.v1"))


def by_model(value: bytes, headers: codec.Headers = ()) -> Message | None:
    try:
        return codec.read(value, headers)
    except Unreadable:
        return None


def by_fast_decoder(value: bytes, headers: codec.Headers = ()) -> StatusData | None:
    canonical = codec.read_canonical_statuses([value], [headers])
    try:
        envelope = codec.open_envelope(value, headers)
        read = codec.read_status(value, envelope) if envelope.type == "lixiao.status-changed.v1" else None
    except Unreadable:
        assert canonical is None
        return None
    if canonical is not None:
        # The shortest way reads nothing that the others do not, and the same.
        assert read is not None
        assert canonical == ([read], [bytes(envelope.data)], [read.occurred_at.isoformat()])
    return read


def _canonical(values: list[bytes]) -> tuple[list[StatusData], list[bytes], list[str]] | None:
    return codec.read_canonical_statuses(values, [() for _ in values])


def dumped(status: StatusData) -> dict[str, Any]:
    """What the fast decoder read, as the model would dump it."""
    checks = [
        {
            "check": check.check,
            "verdict": check.verdict,
            "reasons": [{"code": reason.code, "parameters": reason.parameters} for reason in check.reasons],
            "facts": check.facts,
        }
        for check in status.checks
    ]
    cause = {"code": status.cause.code, "parameters": status.cause.parameters}
    own = {name: getattr(status, name) for name in ("student_id", "department", "version", "occurred_at")}
    return {**own, "cause": cause, "checks": checks}


def modelled(status: StatusChanged) -> dict[str, Any]:
    plain: dict[str, Any] = status.model_dump(mode="json")
    return {**plain, "occurred_at": status.occurred_at}


@MANY
@given(mutated(STATUSES))
def test_model_and_fast_decoder_agree_on_every_status(value: bytes) -> None:
    model, fast = by_model(value), by_fast_decoder(value)

    if isinstance(model, StatusChanged) and fast is not None:
        assert modelled(model) == dumped(fast)
    else:
        assert fast is None
        assert not isinstance(model, StatusChanged)


@MANY
@given(mutated([document["data"] for document in STATUSES]))
def test_model_and_fast_decoder_agree_in_binary_mode(value: bytes) -> None:
    assert (by_model(value, BINARY) is None) == (by_fast_decoder(value, BINARY) is None)


@MANY
@given(mutated(STATUSES))
def test_what_the_model_reads_is_valid_by_the_published_schema(value: bytes) -> None:
    if isinstance(by_model(value), StatusChanged):
        STATUS_SCHEMA.validate(json.loads(value)["data"])


@MANY
@given(mutated(DOCUMENTS))
def test_reading_any_mutated_example_ends_in_an_event_or_in_unreadable(value: bytes) -> None:
    by_model(value)
    by_fast_decoder(value)


@MANY
@given(st.binary(max_size=200), st.booleans())
def test_reading_any_bytes_ends_in_unreadable(value: bytes, binary_mode: bool) -> None:
    headers = BINARY if binary_mode else ()
    assert by_model(value, headers) is None
    assert by_fast_decoder(value, headers) is None


@MANY
@given(
    mutated([document["data"] for document in STATUSES]),
    st.lists(
        st.tuples(
            st.sampled_from(
                [*(name for name, _ in BINARY), "ce_time", "CE_ID", "ce_", "content-type", "traceparent", "x"]
            ),
            st.none() | st.binary(max_size=30) | st.sampled_from([b"1.0", b"lixiao.status-changed.v1", b"\xff", b""]),
        ),
        max_size=6,
    ),
)
def test_no_header_raises_anything_but_unreadable(value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    by_model(value, [*BINARY, *headers])
    by_fast_decoder(value, [*BINARY, *headers])
    by_model(value, headers)


_PIECES: tuple[bytes, ...] = (
    b"",
    b" ",
    b'"',
    b",",
    b":",
    b"{",
    b"}",
    b"0",
    b"1",
    b"-",
    b"\\",
    b"\\u0000",
    b"\xff",
    b"\x1e",
    b"\n",
    b"Z",
    b"null",
    b'"x":1,',
    b'"data":',
    b',"data":{}',
    b'"version":2,',
    b"+08:00",
    b".5",
    b"e1",
)
names = st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
cells = texts | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | st.none()
keys = texts.filter(bool)
reasons = st.builds(Reason, code=names, parameters=st.dictionaries(keys, texts | st.integers(-99, 99), max_size=3))
checks = st.builds(
    CheckStatus,
    check=names,
    verdict=st.sampled_from(Verdict),
    reasons=st.lists(reasons, max_size=3).map(tuple),
    facts=st.dictionaries(keys, cells | st.lists(st.dictionaries(keys, cells, max_size=3), max_size=3), max_size=4),
)
instants = st.datetimes(datetime(2000, 1, 2), datetime(2999, 12, 30)).map(lambda naive: naive.replace(tzinfo=UTC))
statuses = st.builds(
    StatusChanged,
    student_id=st.from_regex(r"\A[A-Z0-9][A-Z0-9-]{2,31}\Z"),
    department=names,
    version=st.integers(1, 2**31 - 1),
    occurred_at=instants,
    cause=reasons,
    checks=st.lists(checks, min_size=1, max_size=4, unique_by=lambda check: check.check).map(tuple),
)


@MANY
@given(statuses, instants)
def test_what_is_written_is_read_back_equal(status: StatusChanged, time: datetime) -> None:
    value = codec.encode(status, event_id=uuid4(), source=source_of("library"), time=time)

    fast = by_fast_decoder(value)

    assert codec.read(value) == status
    assert fast is not None
    assert dumped(fast) == modelled(status)


@given(statuses, instants)
def test_our_own_writers_documents_take_the_short_way(status: StatusChanged, time: datetime) -> None:
    """The long way through the model costs five times as much: a drift of the writer's spelling shows here."""
    value = codec.encode(status, event_id=uuid4(), source=source_of("library"), time=time)
    with pytest.MonkeyPatch.context() as patch:
        long_ways: list[object] = []
        patch.setattr(codec, "_validated", lambda *arguments: long_ways.append(arguments))
        codec.read_status(value, codec.open_envelope(value))

    assert not long_ways
    assert (codec.read_canonical_statuses([value], [()]) is None) == (b"\\u0000" in value)


@MANY
@given(
    statuses,
    instants,
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.sampled_from(_PIECES)), min_size=1, max_size=3),
)
def test_a_document_that_was_cut_or_added_to_anywhere_is_read_alike_by_every_way(
    status: StatusChanged, time: datetime, edits: list[tuple[float, int, bytes]]
) -> None:
    value = codec.encode(status, event_id=uuid4(), source=source_of("library"), time=time)
    for share, removed, added in edits:
        at = int(share * len(value))
        value = value[:at] + added + value[at + removed :]
    model, fast = by_model(value), by_fast_decoder(value)
    assert (fast is not None) == isinstance(model, StatusChanged)


@pytest.mark.parametrize(
    "time",
    [
        "2026-06-01T08:30:00+08:00",
        "2026-06-01T08:30:00.123456-00:01",
        "2026-06-01T08:30:00+08:00:30",
        "2026-06-01T08:30:00+08:00:30.500000",
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-08:00",
        "2026-06-01T08:30:00",
        "2026-06-01 08:30:00+08:00",
        "2026-06-01T08:30:00Z",
    ],
)
def test_the_time_of_an_envelope_is_read_alike_by_every_way(time: str) -> None:
    event = codec.read(STATUS_EXAMPLES[0].read_bytes())
    value = codec.encode(event, event_id=uuid4(), source=source_of("library"), time=UTC_2026)
    value = value.replace(UTC_2026.isoformat().encode(), time.encode(), 1)

    assert (by_fast_decoder(value) is not None) == (by_model(value) is not None)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            statuses, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1), st.sampled_from(_PIECES)), max_size=1)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_documents_read_together_are_read_as_each_by_itself(
    written: list[tuple[StatusChanged, list[tuple[float, int, bytes]]]],
) -> None:
    values = []
    for status, edits in written:
        value = codec.encode(status, event_id=uuid4(), source=source_of("library"), time=status.occurred_at)
        for share, removed, added in edits:
            at = int(share * len(value))
            value = value[:at] + added + value[at + removed :]
        values.append(value)
    together, alone = _canonical(values), [_canonical([value]) for value in values]
    if together is None:
        assert None in alone
    else:
        assert [([one], [text], [at]) for one, text, at in zip(*together, strict=True)] == alone


def test_documents_that_are_several_lines_are_not_taken_for_their_neighbours() -> None:
    first, second = (path.read_bytes() for path in STATUS_EXAMPLES[:2])
    events = [codec.read(value) for value in (first, second)]
    one, other = (codec.encode(event, event_id=uuid4(), source=source_of("x"), time=UTC_2026) for event in events)
    assert _canonical([one, other]) is not None
    for values in (
        [one + b"\n" + other],
        [one + b"\n" + other, b""],
        [one, b"\n" + other],
        [b"", one],
        [one[:9], one[9:]],
    ):
        assert _canonical(values) is None
