"""Spellings of values that a source may declare: what is read, and what is left to be refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.imports.sources.formats import compact_day, money, school_year, year


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8,000.00", "8000.00"),
        ("1,234,567.5", "1234567.5"),
        ("￥1,234.50", "1234.50"),
        ("¥ 72.40", "72.40"),
        ("72.40元", "72.40"),
        ("１２００ 元", "1200"),
        ("8，000元整", "8000"),
        ("-400.00", "-400.00"),
        ("0", "0"),
    ],
)
def test_money_is_read_with_separators_and_its_unit(text: str, amount: str) -> None:
    assert money(text) == amount


@pytest.mark.parametrize(
    "text", ["72,40", "1.234,50", "1,23", "12,34,567", "(50.00)", "0.8万元", "8 000", "$5", "1.5E3", ""]
)
def test_money_that_may_mean_two_amounts_stays_as_it_is(text: str) -> None:
    assert money(text) == text


@given(st.decimals(min_value=-9_999_999, max_value=9_999_999, places=2))
def test_every_amount_survives_its_separators(amount: object) -> None:
    assert money(f"￥{amount:,}元") == f"{amount}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-2026学年", "2025-2026"),
        ("2025—2026 学年", "2025-2026"),
        ("２０２５/２０２６学年度", "2025-2026"),
        ("2025学年", "2025"),
        ("2025", "2025"),
    ],
)
def test_a_school_year_is_read_as_people_write_it(text: str, expected: str) -> None:
    assert school_year(text) == expected


@pytest.mark.parametrize(
    "text", ["2025-2027学年", "2026-2025", "2025-2026学年第一学期", "2025-2026-1", "25-26学年", "大四"]
)
def test_a_text_that_is_no_school_year_stays_as_it_is(text: str) -> None:
    assert school_year(text) == text


@pytest.mark.parametrize(
    ("text", "day"),
    [("20260605", "2026-06-05"), ("20260631", "20260631"), ("260605", "260605"), ("2026-6-5", "2026-6-5")],
)
def test_a_day_without_separators_is_read_if_there_is_such_a_day(text: str, day: str) -> None:
    assert compact_day(text) == day


@pytest.mark.parametrize(
    ("text", "expected"), [("2026届", "2026"), ("2026 级", "2026"), ("2026", "2026"), ("26届", "26届")]
)
def test_a_year_is_read_without_its_unit(text: str, expected: str) -> None:
    assert year(text) == expected
