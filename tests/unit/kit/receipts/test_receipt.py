"""The signed form: one spelling verifies and every other one is refused, bit by bit; numbers that notice mistakes."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, date, datetime
from typing import cast
from urllib.parse import quote
from uuid import UUID

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OKPKey
from pydantic import JsonValue

from schemas.events import AttestationGiven, AttestationOutcome, CheckStatus, Verdict
from services.clearance.receipts.cli import form_in
from services.clearance.receipts.payload import form_payload, sign_form
from services.clearance.receipts.private_keys.files import LoadedKey
from services.clearance.roster.cases import Student
from services.kit.receipts.jws import InvalidSignature, canonical, public_keys, sign
from services.kit.receipts.numbers import ALPHABET, CODES, NUMBERS, form_number, read_form_number, verification_code
from services.kit.receipts.qr import LINK_PREFIX, MAX_QR_CHARS, link_text, pack, unpack, verify_text

KEY, KID = OKPKey.generate_key("Ed25519"), "key-of-2026"
KEYS = public_keys([{**KEY.as_dict(private=False), "kid": KID}])
AT = datetime(2026, 6, 10, 8, 0, 0, 610000, tzinfo=UTC)
STUDENT = Student(
    student_id="TS20269001",
    name="欧阳知远",
    gender="男",
    college="信息与控制工程学院",
    major="控制科学与工程",
    grade="2023级",
    enrolled_on=date(2023, 9, 1),
    leave_category="毕业离校",
)
RESIDENCE: dict[str, JsonValue] = {"campus": "南湖", "building": "梅苑3号楼", "room": "412", "handler": "钱一鸣"}
FACTS: dict[str, dict[str, dict[str, JsonValue]]] = {
    "library": {"borrowing": {"unreturned_count": 0, "debt": "0.00", "card": "cancelled"}, "thesis": {"thesis": "ok"}},
    "archives": {"thesis": {"thesis": "approved"}},
    "dorm": {"check-out": {"resident": True, "residences": [RESIDENCE, RESIDENCE]}},
    "finance": {"arrears": {"rows": [], "total": "0.00"}},
}


def attestation(department: str, checks: dict[str, dict[str, JsonValue]]) -> AttestationGiven:
    return AttestationGiven(
        attempt_id=UUID(int=7),
        student_id=STUDENT.student_id,
        department=department,
        outcome=AttestationOutcome.CLEAR,
        version=5,
        checks=tuple(CheckStatus(check=name, verdict=Verdict.CLEAR, facts=facts) for name, facts in checks.items()),
        attested_at=AT,
    )


def payload_of(facts: dict[str, dict[str, dict[str, JsonValue]]] = FACTS) -> dict[str, JsonValue]:
    return form_payload(
        form_number="2026-K7M3R-X4Q9T-H",
        code="ABCDEFGH",
        attempt_id=UUID(int=7),
        accepted_at=AT,
        student=STUDENT,
        answers={name: attestation(name, checks) for name, checks in facts.items()},
    )


RECEIPT = sign_form(payload_of(), LoadedKey(KID, KEY))
assert RECEIPT.qr_text is not None
QR_TEXT = RECEIPT.qr_text
SHORT = sign({"form": "2026-K7M3R-X4Q9T-H", "student": {"name": "欧阳知远"}, "v": 1}, LoadedKey(KID, KEY))


def flipped(text: str) -> list[str]:
    raw = text.encode()
    return [
        (raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]).decode("latin-1")
        for at in range(len(raw))
        for bit in range(8)
    ]


def refused(text: str) -> bool:
    try:
        verify_text(text, KEYS)
    except InvalidSignature:
        return True
    return False


def test_a_form_says_what_was_signed() -> None:
    form = verify_text(RECEIPT.text, KEYS)
    assert (form.payload, form.kid) == (payload_of(), KID)
    assert form.payload["departments"]["dorm"]["checks"]["check-out"]["residences"] == [RESIDENCE, RESIDENCE]


def test_every_flipped_bit_of_a_receipt_is_refused() -> None:
    assert not refused(SHORT)
    assert [text for text in flipped(SHORT) if not refused(text)] == []


def test_every_flipped_bit_of_a_qr_text_is_refused() -> None:
    assert not refused(pack(SHORT))
    assert [text for text in flipped(pack(SHORT)) if not refused(text)] == []


def test_a_link_carries_the_form_in_as_many_characters_that_a_fragment_may_have() -> None:
    link = link_text(QR_TEXT)
    assert unpack(link) == RECEIPT.text
    assert len(link) == len(QR_TEXT)
    assert set(link) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ$*-/:")
    assert quote(link, safe="!$&'()*+,;=:@/?") == link, "RFC 3986 fragment"
    address = f"https://lixiao.example.edu.cn/verify#{link}"
    assert verify_text(address, KEYS).receipt == RECEIPT.text


def test_every_flipped_bit_of_a_links_text_is_refused() -> None:
    assert not refused(link_text(pack(SHORT)))
    assert [text for text in flipped(link_text(pack(SHORT))) if not refused(text)] == []


@given(st.integers(0, len(RECEIPT.text) - 1), st.text("AZaz09-_=. \n", max_size=3))
def test_no_other_spelling_of_a_receipt_verifies(at: int, put: str) -> None:
    other = RECEIPT.text[:at] + put + RECEIPT.text[at + 1 :]
    assert other == RECEIPT.text or refused(other)


def test_the_unused_bits_of_the_last_letter_are_not_a_second_spelling() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [RECEIPT.text[:-1] + letter for letter in letters if letter != RECEIPT.text[-1]]
    assert all(refused(twin) for twin in twins)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "Ed25519", "kid": KID},
        {"alg": "EdDSA", "kid": KID, "typ": "lixiao-form"},
        {"alg": "none", "kid": KID, "typ": "lixiao-form"},
        {"alg": "Ed25519", "kid": KID, "typ": "lixiao-form", "jwk": {"kty": "OKP"}},
    ],
)
def test_a_signature_under_another_header_is_no_form(header: dict[str, object]) -> None:
    body = canonical(payload_of())
    signed_over = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in (canonical(header), body))
    private = cast(Ed25519PrivateKey, KEY.get_op_key("sign"))
    signature = urlsafe_b64encode(private.sign(signed_over)).rstrip(b"=")
    assert refused(f"{signed_over.decode()}.{signature.decode()}")


def test_a_form_under_a_key_that_is_not_listed_is_refused() -> None:
    other = OKPKey.generate_key("Ed25519")
    assert refused(sign(payload_of(), LoadedKey(KID, other)))
    assert refused(sign(payload_of(), LoadedKey("unlisted", other)))


def test_old_forms_verify_beside_the_new_key_until_theirs_is_taken_off_the_list() -> None:
    newer = OKPKey.generate_key("Ed25519")
    both = KEYS | public_keys([{**newer.as_dict(private=False), "kid": "newer"}])
    assert verify_text(sign(payload_of(), LoadedKey("newer", newer)), both).kid == "newer"
    assert verify_text(RECEIPT.text, both).kid == KID
    with pytest.raises(InvalidSignature):
        verify_text(RECEIPT.text, {"newer": both["newer"]})


def test_the_qr_text_is_the_receipt_and_fits_a_code_of_version_30() -> None:
    assert unpack(QR_TEXT) == RECEIPT.text
    code = segno.make(QR_TEXT, error="L", boost_error=False)
    assert code.mode == "alphanumeric"
    assert int(code.version) <= 30


def test_facts_too_long_for_a_code_are_signed_as_their_digest() -> None:
    rows: list[JsonValue] = [{**RESIDENCE, "room": f"{n * 7919 % 1009}-{n}"} for n in range(400)]
    payload = payload_of({"dorm": {"check-out": {"resident": True, "residences": rows}}})
    receipt = sign_form(payload, LoadedKey(KID, KEY))
    assert receipt.qr_text is not None
    assert len(receipt.qr_text) <= MAX_QR_CHARS
    facts = verify_text(receipt.qr_text, KEYS).payload["departments"]["dorm"]["checks"]["check-out"]
    assert facts["resident"] is True
    assert facts["residences"]["rows"] == 400


def test_a_form_is_found_in_a_file_that_holds_one_and_refused_in_one_that_holds_two() -> None:
    assert form_in(f"Form\n{RECEIPT.text}\n".encode()) == RECEIPT.text
    assert form_in(b"%PDF-1.7 (" + QR_TEXT.encode() + b")") == QR_TEXT
    assert form_in(f"https://x.example/verify#{link_text(QR_TEXT)}\n".encode()) == link_text(QR_TEXT)
    other = sign({"v": 1}, LoadedKey(KID, KEY))
    for content in (b"", b"nothing here", f"{RECEIPT.text} {other}".encode()):
        with pytest.raises(InvalidSignature):
            form_in(content)


@given(st.binary(max_size=300))
def test_whatever_is_scanned_ends_in_a_form_or_a_refusal(scanned: bytes) -> None:
    assert refused(scanned.decode("latin-1"))
    assert refused("LXF1:" + scanned.decode("latin-1"))
    assert refused(LINK_PREFIX + scanned.decode("latin-1"))


@given(st.integers(2000, 2999), st.integers(0, NUMBERS - 1), st.data())
@settings(max_examples=200)
def test_a_form_number_notices_one_wrong_letter_and_two_exchanged_ones(
    year: int, chosen: int, data: st.DataObject
) -> None:
    number = form_number(year, chosen)
    assert read_form_number(f" {number.lower().replace('-', ' ')} ") == number
    letters = list(number.replace("-", ""))
    at = data.draw(st.integers(0, len(letters) - 1))
    wrong = data.draw(st.sampled_from("0123456789" if at < 4 else ALPHABET))
    if wrong != letters[at]:
        assert read_form_number("".join([*letters[:at], wrong, *letters[at + 1 :]])) is None
    a, b = sorted(data.draw(st.tuples(*[st.integers(4, len(letters) - 1)] * 2)))
    if letters[a] != letters[b]:
        letters[a], letters[b] = letters[b], letters[a]
        assert read_form_number("".join(letters)) is None


def test_numbers_and_codes_use_all_their_room_and_no_letter_that_looks_like_another() -> None:
    assert form_number(2026, 0) != form_number(2026, NUMBERS - 1)
    assert {len(verification_code(n)) for n in (0, CODES - 1)} == {8}
    assert not set("01ILO") & set(ALPHABET)
    for typed in ("", "2026", "2026-K7M3R-X4Q9T-", "²026-K7M3R-X4Q9T-H", "x" * 1000):
        assert read_form_number(typed) is None


def test_a_form_holds_no_fraction_and_one_order_of_keys() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    assert json.loads(canonical(payload_of())) == payload_of()
