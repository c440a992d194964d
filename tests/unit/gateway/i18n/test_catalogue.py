"""Catalogues and configuration: the same keys in both languages, none missing or unused; how things are said."""

import re
from datetime import date, timedelta, timezone
from pathlib import Path

import pytest

import services.gateway
from services.gateway.i18n.catalogue import catalogue, preferred_language
from services.gateway.i18n.formats import format_money, local_time, long_date, phone_parts
from services.gateway.university import CONFIGURATIONS, load
from services.kit.manifests import discover
from services.kit.message_format import LANGUAGES, placeholders
from tests.support.samples.case_samples import NOW

GATEWAY = Path(services.gateway.__file__).parent


def written() -> str:
    files = [*GATEWAY.rglob("*.py"), *(GATEWAY / "templates").glob("*.html")]
    return "\n".join(path.read_text("utf-8") for path in files)


def test_both_languages_have_the_same_keys() -> None:
    assert set(catalogue("zh").entries) == set(catalogue("en").entries)


def test_every_key_is_used_and_every_key_used_exists() -> None:
    known = set(catalogue("zh").entries)
    source = written()
    used = {key for key in known if f"'{key}'" in source or f'"{key}"' in source}
    beginnings = tuple(re.findall(r"""\bf["']([a-z_]+\.[a-z_]*)\{|["']([a-z_]+\.[a-z_]+)["'] ~""", source))
    beginnings = tuple(one or other for one, other in beginnings)
    endings = set(re.findall(r"""\bf["']\{\w+\}\.(\w+)["']""", source))

    def is_computed(key: str) -> bool:
        head, _, tail = key.partition(".")
        return key.startswith(beginnings) or (tail in endings and f'"{head}"' in source)

    assert [key for key in known - used if not is_computed(key)] == []
    named = set(re.findall(r"""\b(?:t|texts)\(\s*['"]([a-z_.]+)['"]""", source))
    assert {name for name in named if not name.endswith("_")} <= known


@pytest.mark.parametrize("key", sorted(catalogue("zh").entries))
def test_both_languages_fill_the_same_places(key: str) -> None:
    chinese, english = (placeholders(catalogue(language).entries[key]) for language in LANGUAGES)
    assert chinese == english


def test_no_department_is_named_in_the_gateway() -> None:
    titles = [words for one in discover().values() for words in (f'"{one.name}"', f"'{one.name}'", one.title.zh)]
    source = written() + "".join(path.read_text("utf-8") for path in (GATEWAY / "locale").glob("*.toml"))
    assert [title for title in titles if title in source] == []


def test_the_guide_has_every_row_and_shows_empty_ones_empty() -> None:
    rows = load(CONFIGURATIONS / "cumt").guide
    labels = (
        "事项名称 事项编号 主办部门 协办部门 服务对象 服务类别 事项类型 事项划分 "
        "办理方式 办理时限 服务专题 专题标签 服务地点 服务时间 咨询电话"
    )
    assert [row.label.zh for row in rows] == labels.split()
    assert [row.label.zh for row in rows if not row.value.zh] == ["服务专题", "专题标签", "服务地点"]


def test_a_wrong_configuration_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "university.toml").write_text("name = 1", "utf-8")
    with pytest.raises(ValueError, match="university.toml"):
        load(tmp_path)


def test_money_is_exact() -> None:
    assert format_money("682.4") == "682.40"
    assert format_money("0.1") == "0.10"
    assert format_money("12345678901234567890.10") == "12345678901234567890.10"
    assert format_money("not a number") == "not a number"
    assert format_money("NaN") == "NaN"


def test_titles_are_joined_as_each_language_does() -> None:
    assert catalogue("zh").joined(["甲", "乙", "丙"]) == "甲、乙、丙"
    assert catalogue("en").joined(["A", "B", "C"]) == "A, B and C"


def test_an_instant_is_said_as_on_campus() -> None:
    said = [
        local_time(NOW - ago, now=NOW, offset_minutes=480, language="zh").words
        for ago in (timedelta(0), timedelta(days=1), timedelta(days=3), timedelta(days=400))
    ]
    assert said == ["10:35", "昨天 10:35", "6月5日 10:35", "2025年5月4日 10:35"]
    assert long_date(date(2026, 6, 8), "en") == "8 June 2026"


def test_numbers_in_a_text_become_telephones() -> None:
    parts = phone_parts("借阅83592019、0516-83591210；财务", "0516")
    assert [part.dial for part in parts] == ["", "051683592019", "", "051683591210", ""]
    assert "".join(part.text for part in parts) == "借阅83592019、0516-83591210；财务"


@pytest.mark.parametrize(
    ("remembered", "accepted", "language"),
    [
        (None, None, "zh"),
        ("en", "zh-CN", "en"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "en-US,en;q=0.9,zh;q=0.8", "zh"),
        ("fr", "de", "zh"),
    ],
)
def test_the_language_is_the_remembered_one_else_chinese_first(
    remembered: str | None, accepted: str | None, language: str
) -> None:
    assert preferred_language(remembered, accepted) == language


def test_an_instant_is_written_with_the_offset_it_has_whatever_equal_one_was_written_before() -> None:
    on_campus = NOW.astimezone(timezone(timedelta(hours=8)))
    assert on_campus == NOW
    written = [local_time(at, now=NOW, offset_minutes=480, language="zh").iso for at in (NOW, on_campus, NOW)]
    assert written == [at.isoformat(timespec="seconds") for at in (NOW, on_campus, NOW)]


def test_an_instant_of_today_is_one_of_yesterday_on_the_next_day() -> None:
    days = [NOW, NOW + timedelta(days=1), NOW + timedelta(days=2)]
    assert len({local_time(NOW, now=now, offset_minutes=480, language="en").words for now in days}) == 3
