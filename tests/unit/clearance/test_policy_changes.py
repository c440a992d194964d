"""The dry run of another `clearance.toml`: whose checks would change, how many, and what no rule names."""

from collections.abc import Mapping
from typing import Any

from services.clearance.exemptions.policy_changes import StudentChange, policy_changes
from services.kit.clearance_policy import ClearancePolicy

RULE = {
    "checks": ["dorm.check-out"],
    "when": {"study_form": ["非全日制"]},
    "reason": {"zh": "非全日制学生不住校", "en": "Part-time students do not live on campus"},
}
GRADUATING = {"name": "毕业离校", "served": True}


def policy(*rules: Mapping[str, Any], words: tuple[str, ...] = ()) -> ClearancePolicy:
    category = {**GRADUATING, "words": words}
    return ClearancePolicy.model_validate({"not_applicable": rules, "leave_category": [category]})


def of(study_form: str | None, category: str = "毕业离校") -> dict[str, str | None]:
    return {"leave_category": category, "degree_level": "硕士", "campus": None, "study_form": study_form}


ROSTER = [("TS1", of("非全日制")), ("TS2", of("全日制")), ("TS3", of(None)), ("TS4", of("非全日制", "毕业"))]


def test_the_same_file_changes_nothing() -> None:
    found = policy_changes(ROSTER, policy(RULE), policy(RULE))
    assert (found.students, found.changes) == (4, [])


def test_whose_checks_would_change_is_listed_and_counted_both_ways() -> None:
    found = policy_changes(ROSTER, policy(), policy(RULE))
    assert found.changes == [
        StudentChange("TS1", "dorm.check-out", "needed", "not needed"),
        StudentChange("TS4", "dorm.check-out", "needed", "not needed"),
    ]
    assert found.counts == {("dorm.check-out", "needed", "not needed"): 2}
    back = policy_changes(ROSTER, policy(RULE), policy())
    assert back.counts == {("dorm.check-out", "not needed", "needed"): 2}


def test_values_that_no_rule_names_are_counted_because_every_check_is_theirs() -> None:
    assert policy_changes(ROSTER, policy(), policy(RULE)).unnamed == {
        ("study_form", "全日制"): 1,
        ("study_form", ""): 1,
    }


def test_a_new_word_for_a_category_says_who_would_be_served() -> None:
    found = policy_changes(ROSTER, policy(), policy(words=("毕业",)))
    assert found.changes == [StudentChange("TS4", "served", "word not recognised", "served")]
