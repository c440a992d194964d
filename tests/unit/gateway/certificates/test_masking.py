"""The public check names nobody, and still tells one person's form from another's."""

import pytest

from services.gateway.certificates.masking import end_of_number, masked_name


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("周明月", "周*月"),
        ("周月", "周*"),
        ("欧阳𠮷㛃", "欧**㛃"),
        ("Anna Smith", "A*** S****"),
        ("Li", "L*"),
        ("周\u3000月", "周*"),
        ("周 明 月", "周*月"),
        ("欧阳\u3000锋", "欧*锋"),
        ("José Díaz", "J*** D***"),
        ("周", "周"),
        ("", ""),
    ],
)
def test_a_name_keeps_its_ends_and_no_more(name: str, masked: str) -> None:
    assert masked_name(name) == masked


def test_a_number_is_known_by_its_last_four_and_a_short_one_not_at_all() -> None:
    assert end_of_number("TS23170042") == "0042"
    assert end_of_number("1234567") == ""
