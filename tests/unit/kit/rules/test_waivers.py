"""Which checks a rule leaves out: only for values it names, and never for what is unknown."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.kit.clearance_policy import ClearancePolicy
from services.kit.rules.waivers import Attribute, CheckRule, Waiver, departments_to_ask, rule_waivers, signed_waivers

REASON = {"zh": "非全日制学生不住校", "en": "Part-time students do not live on campus"}
REQUIRED = {"dorm": ("check-out",), "library": ("borrowing", "thesis")}


def rule(**other: Any) -> CheckRule:
    fields = {"checks": ["dorm.check-out"], "when": {"study_form": ["非全日制"]}, "reason": REASON, **other}
    return CheckRule.model_validate(fields)


@pytest.mark.parametrize("written", ["非全日制", " 非全日制　", "非 全日制"])
def test_a_rule_is_for_the_values_it_names_however_they_are_spelled(written: str) -> None:
    (waiver,) = rule_waivers([rule()], {"study_form": written}).values()
    assert (waiver.key, waiver.reason, waiver.reason_en) == (("dorm", "check-out"), REASON["zh"], REASON["en"])


@pytest.mark.parametrize("value", [None, "", "全日制", "非全日", "未知", "part-time"])
def test_an_unknown_or_absent_value_waives_nothing(value: str | None) -> None:
    assert rule_waivers([rule()], {"study_form": value}) == {}
    assert rule_waivers([rule()], {}) == {}


def test_every_attribute_of_a_rule_has_to_fit() -> None:
    both = rule(when={"study_form": ["非全日制"], "campus": ["南湖", "文昌"]})
    assert rule_waivers([both], {"study_form": "非全日制", "campus": "文昌"})
    assert not rule_waivers([both], {"study_form": "非全日制", "campus": "徐海"})
    assert not rule_waivers([both], {"study_form": "非全日制"})


@given(st.dictionaries(st.sampled_from(list(Attribute)), st.text(max_size=8)))
def test_whatever_the_roster_says_only_named_values_waive(attributes: dict[str, str]) -> None:
    rules = [rule(), rule(checks=["library.thesis"], when={"degree_level": ["博士"], "campus": ["南湖"]})]
    waived = rule_waivers(rules, attributes)
    plain = {name: "".join(value.split()) for name, value in attributes.items()}
    if plain.get("study_form") != "非全日制":
        assert ("dorm", "check-out") not in waived
    if plain.get("degree_level") != "博士" or plain.get("campus") != "南湖":
        assert ("library", "thesis") not in waived


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": {}},
        {"when": {"study_form": []}},
        {"when": {"colour": ["red"]}},
        {"when": {"study_form": [" "]}},
        {"checks": []},
        {"checks": ["dorm"]},
        {"reason": {**REASON, "en": "x" * 1001}},
        {"reason": {**REASON, "zh": "免\x00办"}},
        {"reason": {"zh": "只有中文", "en": ""}},
        {"unless": {}},
    ],
)
def test_a_rule_that_says_too_little_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rule(**wrong)


def test_a_rule_names_a_check_and_a_category_that_there_are() -> None:
    policy = ClearancePolicy(not_applicable=(rule(checks=["dorm.bicycle"]),))
    with pytest.raises(ValueError, match=r"not_applicable\.0\.checks: 'dorm\.bicycle' is none of dorm\.check-out"):
        policy.check_rules(REQUIRED)
    with pytest.raises(ValidationError, match="'结业' is none of 毕业离校"):
        ClearancePolicy(not_applicable=(rule(when={"leave_category": ["结业"]}),))


def test_a_category_is_known_by_its_configured_words() -> None:
    policy = ClearancePolicy.model_validate(
        {
            "leave_category": [
                {"name": "毕业离校", "served": True, "words": ["毕业", "毕业生离校", "毕业离校(春季)"]},
                {"name": "结业", "served": False},
            ]
        }
    )
    for word in ("毕业离校", "毕业", " 毕业离校（春季） ", "毕业生 离校"):
        category = policy.category_of(word)
        assert category is not None
        assert category.served, word
    finished = policy.category_of("结业")
    assert finished is not None
    assert not finished.served
    assert policy.category_of("毕业了") is None
    assert policy.category_of("") is None


def test_a_rule_over_categories_is_for_every_configured_word_and_for_no_other() -> None:
    graduating = {"name": "毕业离校", "served": True, "words": ["毕业"]}
    by_category = rule(when={"leave_category": ["毕业离校"]})
    policy = ClearancePolicy.model_validate({"leave_category": [graduating], "not_applicable": [by_category]})
    assert policy.waived_by_rule({"leave_category": " 毕业 "}).keys() == {("dorm", "check-out")}
    assert policy.waived_by_rule({"leave_category": "肄业"}) == {}


def test_two_categories_with_one_word_are_refused() -> None:
    categories = [{"name": "毕业离校", "served": True, "words": ["离校"]}, {"name": "离 校", "served": False}]
    with pytest.raises(ValidationError, match="same word"):
        ClearancePolicy.model_validate({"leave_category": categories})


def test_departments_with_nothing_to_ask_are_left_out_unless_none_would_remain() -> None:
    assert departments_to_ask(REQUIRED, [("library", "thesis")]) == {"dorm", "library"}
    assert departments_to_ask(REQUIRED, [("dorm", "check-out")]) == {"library"}
    everything = [(name, check) for name, checks in REQUIRED.items() for check in checks]
    assert departments_to_ask(REQUIRED, everything) == REQUIRED.keys()


def test_a_form_signs_kind_reason_and_last_day() -> None:
    fields = {"department": "library", "check": "thesis", "kind": "released", "reason": "已核对", "until": "2026-12-31"}
    exemption = Waiver.model_validate(fields)
    (by_rule,) = rule_waivers([rule()], {"study_form": "非全日制"}).values()
    assert signed_waivers([exemption, by_rule]) == {
        "library": {"thesis": {"kind": "released", "reason": "已核对", "until": "2026-12-31"}},
        "dorm": {"check-out": {"kind": "by-rule", "reason": REASON["zh"]}},
    }
