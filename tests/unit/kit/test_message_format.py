"""Messages: placeholders are filled by name only, and counted things have their plural."""

import pytest

from services.kit.message_format import fill, placeholders

BOOKS = "{count, plural, one {# book} other {# books}} not returned, {amount} yuan due"


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "1 book not returned, 7.60 yuan due"),
        (2, "2 books not returned, 7.60 yuan due"),
        (0, "0 books not returned, 7.60 yuan due"),
        ("1", "1 book not returned, 7.60 yuan due"),
        ("many", "many books not returned, 7.60 yuan due"),
    ],
)
def test_english_counts_one_book_and_two_books(count: object, sentence: str) -> None:
    assert fill(BOOKS, {"count": count, "amount": "7.60"}, "en") == sentence


def test_chinese_has_one_form_for_every_number() -> None:
    assert [fill("{count, plural, other {# 册}}", {"count": count}, "zh") for count in (1, 2)] == ["1 册", "2 册"]


def test_a_message_takes_only_named_placeholders() -> None:
    assert fill("{count} 册 {missing}", {"count": 2}, "zh") == "2 册 …"
    assert fill("{0} {a.b} {a[0]}", {"a": "x"}, "zh") == "{0} {a.b} {a[0]}"


def test_the_placeholders_of_a_message_are_its_parameters() -> None:
    assert placeholders(BOOKS) == {"count", "amount"}
