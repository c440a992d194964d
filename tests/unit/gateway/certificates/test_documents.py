"""A proxy's document number as a keyed hash."""

import pytest

from services.gateway.certificates.documents import DocumentKeys, NoNumber, normal

RESIDENT = "11010519491231002X"
FORM = "2026-8PQWE-RTYU2-3"
OLD, NEW = "1" * 64, "2" * 64
KEYS = DocumentKeys.of(f"# ours\n2026-06 {OLD}\n")


@pytest.mark.parametrize(
    "typed",
    ["11010519491231002x", " 110105 19491231 002X ", "110105-19491231-002X", "１１０１０５１９４９１２３１００２Ｘ"],
)
def test_a_number_is_one_however_it_is_typed(typed: str) -> None:
    assert normal(typed) == RESIDENT


@pytest.mark.parametrize("typed", ["E12345678", "H00001234", "AB 123456"])
def test_passports_and_permits_are_numbers_too(typed: str) -> None:
    assert normal(typed) == typed.replace(" ", "")


@pytest.mark.parametrize("typed", ["A123456(7)", "a123456（7）", "A123456 (7)", "A1234567"])
def test_the_check_digit_of_a_hong_kong_card_may_be_typed_as_it_is_printed(typed: str) -> None:
    assert normal(typed) == "A1234567"


@pytest.mark.parametrize(
    "typed", ["", "   ", "1234", "司马䶮", "E1234567890123456789012345678901", "a;b;c;d;e", "E123\x00456"]
)
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(NoNumber) as refused:
        normal(typed)
    assert not refused.value.mistyped


@pytest.mark.parametrize("typed", ["110105194912310021", "11010519491231020X", "11010519491213002X"])
def test_a_residents_number_with_a_slip_is_not_taken_for_another(typed: str) -> None:
    with pytest.raises(NoNumber) as refused:
        normal(typed)
    assert refused.value.mistyped


def test_a_seal_fits_its_number_on_its_form_alone() -> None:
    seal = KEYS.seal(FORM, RESIDENT)
    assert (seal.key, KEYS.fits(seal, FORM, RESIDENT)) == ("2026-06", True)
    assert KEYS.fits(seal, FORM, "E12345678") is False
    assert KEYS.fits(seal, "2026-8PQWE-RTYU2-4", RESIDENT) is False
    assert RESIDENT not in seal.model_dump_json()


def test_keys_rotate_and_an_old_one_goes_on_comparing_until_it_is_taken_out() -> None:
    seal = KEYS.seal(FORM, RESIDENT)
    both = DocumentKeys.of(f"2026-12 {NEW}\n2026-06 {OLD}")
    assert both.seal(FORM, RESIDENT).key == "2026-12"
    assert both.seal(FORM, RESIDENT).hash != seal.hash
    assert both.fits(seal, FORM, RESIDENT) is True
    assert DocumentKeys.of(f"2026-12 {NEW}").fits(seal, FORM, RESIDENT) is None


@pytest.mark.parametrize(
    "text", ["", "# nothing", "2026-06", f"2026-06 {'1' * 62}", "2026-06 nonsense", f"ü {OLD}", f"a {OLD} b"]
)
def test_a_file_without_a_proper_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(there is no key|a line is an id and a key)") as refused:
        DocumentKeys.of(text)
    assert OLD not in str(refused.value)
    assert OLD not in repr(KEYS)
