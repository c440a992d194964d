"""A form at the desk: genuine exactly when it is the submission as accepted, under a listed key (S17)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import OKPKey

from schemas.events import AttestationGiven, AttestationOutcome, CheckStatus, Verdict
from services.clearance.receipts.payload import Receipt, form_payload, sign_form, submission_facts
from services.clearance.receipts.private_keys.files import LoadedKey
from services.clearance.roster.cases import Student
from services.gateway.certificates.verification import GOOD, Finding, read_scan, verify_scan
from services.gateway.read_model.student_rows import attested_facts
from services.gateway.read_model.types import Attested, PublishedSubmission
from services.kit.receipts.jws import ALGORITHM, sign, unverified
from services.kit.receipts.numbers import form_number, verification_code
from services.kit.receipts.qr import link_text
from services.kit.rules.waivers import Waiver
from tests.support.samples import case_samples

KEY = OKPKey.generate_key(ALGORITHM)
KEYS: Mapping[str, OKPKey] = {"k1": KEY}
NUMBER, CODE = form_number(2026, 0), verification_code(12345)
AT = datetime(2026, 6, 8, 2, 0, 0, 123456, tzinfo=UTC)
STUDENT = Student(
    student_id="TS23170042P31",
    name="欧阳𠮷㛃",
    gender="女",
    college="信息与控制工程学院",
    major="控制科学与工程",
    grade="2023",
    enrolled_on=date(2023, 9, 1),
    leave_category="毕业离校",
)


def attestations(rooms: int = 1) -> dict[str, AttestationGiven]:
    """Clear answers of every department; `rooms` are many where a form must be shortened to fit its code."""
    heard = dict(case_samples.clear().statuses)
    many = [
        {**case_samples.ROOM, "room": f"A{number}-{number * 7919 % 10007}", "handler": f"纪{number}"}
        for number in range(rooms)
    ]
    heard["dorm"] = case_samples.dorm(many)
    return {
        name: AttestationGiven(
            attempt_id=case_samples.ATTEMPT,
            student_id=STUDENT.student_id,
            department=name,
            outcome=AttestationOutcome.CLEAR,
            version=one.status.version,
            checks=one.status.checks,
            attested_at=AT,
        )
        for name, one in heard.items()
    }


def accepted(
    rooms: int = 1, *, kid: str = "k1", attempt: UUID = case_samples.ATTEMPT
) -> tuple[PublishedSubmission, Receipt]:
    """A submission as it is published, and its form."""
    answers = attestations(rooms)
    payload = form_payload(
        form_number=NUMBER, code=CODE, attempt_id=attempt, accepted_at=AT, student=STUDENT, answers=answers
    )
    form = sign_form(payload, LoadedKey(kid, KEY))
    facts = attested_facts(submission_facts(answers))
    return PublishedSubmission(STUDENT.student_id, NUMBER, CODE, AT, form.text, facts), form


RECORD, FORM = accepted()
assert FORM.qr_text is not None


def finding(text: str, record: PublishedSubmission | None = RECORD, keys: Mapping[str, OKPKey] = KEYS) -> Finding:
    return verify_scan(read_scan(text, keys), record, keys).finding


LINK = f"https://lixiao.example.edu.cn/verify#{link_text(FORM.qr_text)}"


@pytest.mark.parametrize(
    "text",
    [LINK, LINK.partition("#")[2], f"{LINK}\n", FORM.qr_text, FORM.text, f"  {FORM.qr_text}\r\n"],
    ids=["link", "fragment", "scanned link", "older qr", "jws", "scanner"],
)
def test_the_form_itself_is_genuine_and_names_whom_it_was_signed_for(text: str) -> None:
    result = verify_scan(read_scan(text, KEYS), RECORD, KEYS)
    assert result.finding is Finding.GENUINE
    assert result.student is not None
    assert (result.student.name, result.student.enrolled_on) == (STUDENT.name, STUDENT.enrolled_on)


@pytest.mark.parametrize("rooms", [30, 400], ids=["tables as digests", "hundreds of rows"])
def test_a_form_shortened_to_fit_its_code_is_held_to_every_row(rooms: int) -> None:
    record, form = accepted(rooms)
    assert form.qr_text is not None
    assert finding(form.qr_text, record) is Finding.GENUINE
    dorm = record.facts["dorm"].checks[0]
    residences = dorm.facts["residences"]
    assert isinstance(residences, list)
    changed = dorm.model_copy(update={"facts": {"residences": [*residences[:-1], {**case_samples.ROOM, "room": "B1"}]}})
    facts = {**record.facts, "dorm": replace(record.facts["dorm"], checks=(changed,))}
    assert finding(form.qr_text, replace(record, facts=facts)) is Finding.DIFFERS


@pytest.mark.parametrize("text", [FORM.qr_text, FORM.text], ids=["qr", "jws"])
def test_every_changed_bit_is_refused(text: str) -> None:
    raw = text.encode("ascii")
    passed = []
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        if finding(flipped.decode("latin-1")) in GOOD:
            passed.append(bit)
    assert passed == []


def test_a_number_alone_is_said_to_be_a_number_alone() -> None:
    scan = read_scan(NUMBER.lower().replace("-", " "), KEYS)
    assert (scan.form_number, scan.receipt) == (NUMBER, None)
    assert verify_scan(scan, RECORD, KEYS).finding is Finding.BY_NUMBER


def test_a_key_that_is_not_listed_is_refused_by_code_and_by_number() -> None:
    assert finding(str(FORM.qr_text), RECORD, {}) is Finding.ALTERED
    assert finding(NUMBER, RECORD, {}) is Finding.ALTERED


def signed_again(record: PublishedSubmission) -> tuple[PublishedSubmission, str, dict[str, OKPKey]]:
    """The record after its key leaked, the paper with its new signature, and the keys that verify from then on."""
    new = OKPKey.generate_key(ALGORITHM)
    text = sign(unverified(record.receipt).payload, LoadedKey("k2", new))
    return replace(record, receipt=text, former_receipts=(record.receipt,)), text, {"k2": new}


def found(text: str, record: PublishedSubmission | None, keys: Mapping[str, OKPKey], *revoked: str) -> Finding:
    return verify_scan(read_scan(text, keys, revoked), record, keys, revoked).finding


def test_a_paper_from_before_its_form_was_signed_again_is_genuine_until_the_old_key_is_revoked() -> None:
    record, text, keys = signed_again(RECORD)
    for paper in (FORM.text, str(FORM.qr_text), text):
        assert found(paper, record, {**KEYS, **keys}) is Finding.GENUINE
    assert found(text, record, keys, "k1") is Finding.GENUINE
    assert found(NUMBER, record, keys, "k1") is Finding.BY_NUMBER
    assert found(str(FORM.qr_text), record, keys, "k1") is Finding.REVOKED


def test_what_a_leaked_key_signed_is_told_apart_from_what_was_accepted() -> None:
    record, _, keys = signed_again(RECORD)
    _, other = accepted(attempt=UUID(int=7))
    assert found(other.text, record, keys, "k1") is Finding.FORGED
    assert found(other.text, None, keys, "k1") is Finding.FORGED
    assert found(FORM.text, None, keys, "k1") is Finding.FORGED
    # Without being signed again, a form that was accepted is still no forgery.
    assert found(FORM.text, RECORD, keys, "k1") is Finding.REVOKED
    assert found(NUMBER, RECORD, keys, "k1") is Finding.REVOKED
    assert {Finding.REVOKED, Finding.FORGED}.isdisjoint(GOOD)


def test_another_form_signed_for_the_same_number_is_refused() -> None:
    _, other = accepted(attempt=UUID(int=7))
    assert finding(str(other.qr_text)) is Finding.DIFFERS


@pytest.mark.parametrize(
    "change",
    [
        {"student_id": "TSOTHER"},
        {"code": "22222222"},
        {"accepted_at": AT.replace(microsecond=0)},
        {"facts": {}},
        {"facts": {**RECORD.facts, "another": RECORD.facts["library"]}},
        {"facts": {**RECORD.facts, "library": replace(RECORD.facts["library"], version=99)}},
        {"facts": {**RECORD.facts, "library": replace(RECORD.facts["library"], attested_at=None)}},
        {"facts": {**RECORD.facts, "finance": Attested(3, (), AT)}},
        {
            "facts": {
                **RECORD.facts,
                "archives": Attested(
                    3, (CheckStatus(check="thesis", verdict=Verdict.BLOCKED, facts={"thesis": "approved"}),), AT
                ),
            }
        },
    ],
    ids=lambda change: "+".join(change),
)
def test_a_record_that_is_not_what_was_signed_is_refused(change: dict[str, Any]) -> None:
    assert finding(str(FORM.qr_text), replace(RECORD, **change)) is Finding.DIFFERS


@pytest.mark.parametrize("text", ["", " ", "hello", "a.b.c.d", "LXF1", "1" * 70_000, "\x00", "2026"])
def test_what_is_neither_a_form_nor_a_number_is_no_accusation(text: str) -> None:
    assert finding(text) is Finding.UNREADABLE


@pytest.mark.parametrize("text", ["a.b.c", "LXF1:", "LXF1:ABC", "..", "LXF1:" + "A" * 300_000])
def test_what_looks_like_a_form_and_is_none_is_refused(text: str) -> None:
    assert finding(text) is Finding.ALTERED


def test_a_number_nothing_was_accepted_under_is_unknown() -> None:
    assert finding(str(FORM.qr_text), None) is Finding.UNKNOWN


def waived_form(*waivers: Waiver, blocked: bool = True) -> tuple[PublishedSubmission, str]:
    """Accepted although the library's thesis is blocked."""
    answers = attestations()
    if blocked:
        thesis = CheckStatus(check="thesis", verdict=Verdict.BLOCKED, facts={"thesis": "none"})
        borrowing = answers["library"].checks[0]
        answers["library"] = answers["library"].model_copy(update={"checks": (borrowing, thesis)})
    payload = form_payload(
        form_number=NUMBER,
        code=CODE,
        attempt_id=case_samples.ATTEMPT,
        accepted_at=AT,
        student=STUDENT,
        answers=answers,
        waivers=waivers,
    )
    form = sign_form(payload, LoadedKey("k1", KEY))
    facts = attested_facts(submission_facts(answers))
    return PublishedSubmission(STUDENT.student_id, NUMBER, CODE, AT, form.text, facts, waivers), form.text


def test_a_form_with_waivers_is_genuine_with_exactly_these() -> None:
    thesis, debt = case_samples.THESIS_WAIVER, case_samples.DEBT_RELEASE
    record, text = waived_form(thesis)
    assert finding(text, record) is Finding.GENUINE
    for others in ((), (debt,), (thesis, debt), (thesis.model_copy(update={"reason": "另一理由"}),)):
        assert finding(text, replace(record, waivers=others)) is Finding.DIFFERS


def test_a_blocked_check_that_no_waiver_covers_is_no_genuine_form() -> None:
    record, text = waived_form()
    assert finding(text, record) is Finding.DIFFERS
    record, text = waived_form(case_samples.DEBT_RELEASE)
    assert finding(text, record) is Finding.DIFFERS
