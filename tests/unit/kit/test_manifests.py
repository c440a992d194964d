"""Every code a department declares has its words, in both languages, with the places it fills and no other."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from schemas.events import UNKNOWN_REASONS
from services.kit.department.examples import Examples, load_examples
from services.kit.manifests import SERVICES, CheckManifest, DepartmentManifest, FieldManifest, Text, discover
from services.kit.message_format import placeholders
from services.kit.operations import Refused
from services.kit.rules.bills import NEGATIVE_AMOUNT, OVERPAYMENT, REFUND_TOO_LARGE, Bill
from services.kit.rules.department_rules import DepartmentRules
from services.kit.rules.reasons import (
    BEING_DECIDED,
    CASE_NOT_OPEN,
    CASE_OPENED,
    COMMAND_UNKNOWN,
    RECORD_FULL,
    RECORD_REPLACED,
    ROW_IMPORTED,
    Blocker,
    Cause,
    ReasonCode,
    Refusal,
)

pytestmark = pytest.mark.unit

DEPARTMENTS = discover()
each_department = pytest.mark.parametrize("department", DEPARTMENTS.values(), ids=DEPARTMENTS)


def rules_of(department: DepartmentManifest) -> DepartmentRules[Any]:
    rules = import_module(f"services.{department.name}.operations").RULES
    assert isinstance(rules, DepartmentRules)
    return rules


def facts_of(department: DepartmentManifest) -> dict[str, type[BaseModel]]:
    facts: dict[str, type[BaseModel]] = import_module(f"services.{department.name}.rules").FACTS
    return facts


def declared(department: DepartmentManifest, kind: type[ReasonCode]) -> dict[str, ReasonCode]:
    """The codes of one kind that a department declares in its modules, by code."""
    found: dict[str, ReasonCode] = {}
    for path in sorted((SERVICES / department.name).glob("*.py")):
        module = import_module(f"services.{department.name}.{path.stem}")
        for name, value in vars(module).items():
            if type(value) is kind and value.code not in found:
                assert f"{name}(" in path.read_text("utf-8"), f"{path}: {name} is declared and never used"
                found[value.code] = value
    return found


def by_the_kit(department: DepartmentManifest) -> dict[str, ReasonCode]:
    """The refusals the kit itself gives in this department's name."""
    codes = [COMMAND_UNKNOWN, CASE_NOT_OPEN, BEING_DECIDED] if rules_of(department).commands else []
    has_lists = any(isinstance(value, tuple) for value in rules_of(department).record().model_dump().values())
    of_bills = [OVERPAYMENT, REFUND_TOO_LARGE, NEGATIVE_AMOUNT] if _has_bills(department) else []
    return {code.code: code for code in (*codes, *of_bills, *([RECORD_FULL] if has_lists else []))}


def _has_bills(department: DepartmentManifest) -> bool:
    lists = [get_args(field.annotation) for field in rules_of(department).record.model_fields.values()]
    return any(isinstance(items[0], type) and issubclass(items[0], Bill) for items in lists if items)


def texts_in(part: object) -> Iterator[Text]:
    if isinstance(part, Text):
        yield part
    elif isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from texts_in(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():
            yield from texts_in(value)
    elif isinstance(part, tuple):
        for value in part:
            yield from texts_in(value)


def assert_words(texts: Mapping[str, Text], codes: Mapping[str, ReasonCode]) -> None:
    assert set(texts) == set(codes)
    for code, declaration in codes.items():
        assert placeholders(texts[code].zh) == declaration.parameters, code
        assert placeholders(texts[code].en) == declaration.parameters, code


@each_department
def test_every_reason_of_a_blocked_check_has_a_sentence_and_no_sentence_is_unused(
    department: DepartmentManifest,
) -> None:
    sentences = {code: text for check in department.checks for code, text in check.reasons.items()}
    assert_words(sentences, declared(department, Blocker))


@each_department
def test_every_cause_has_a_phrase_and_no_phrase_is_unused(department: DepartmentManifest) -> None:
    of_the_kit = {cause.code: cause for cause in (CASE_OPENED, RECORD_REPLACED, ROW_IMPORTED)}
    assert_words(department.causes, declared(department, Cause) | of_the_kit)


@each_department
def test_every_refusal_has_a_sentence_and_no_sentence_is_unused(department: DepartmentManifest) -> None:
    assert_words(department.refusals, declared(department, Refusal) | by_the_kit(department))


def test_a_reason_is_made_with_exactly_its_declared_parameters() -> None:
    overpayment = Refusal("overpayment", "due")
    assert overpayment(due="3.50").parameters == {"due": "3.50"}
    for wrong in ({}, {"amount": "3.50"}, {"due": "3.50", "amount": "1"}):
        with pytest.raises(TypeError, match="overpayment"):
            overpayment(**wrong)


@each_department
def test_every_text_is_there_in_both_languages(department: DepartmentManifest) -> None:
    texts = list(texts_in(department))
    assert len(texts) > 10
    assert [text for text in texts if not (text.zh.strip() and text.en.strip())] == []


@each_department
def test_the_facts_have_exactly_the_checks_and_the_fields_on_the_page(department: DepartmentManifest) -> None:
    facts = facts_of(department)
    assert set(facts) == set(department.check_names)
    for check in department.checks:
        columns = _row_type(facts[check.name], check.rows) if check.rows else facts[check.name]
        noted = [] if check.rows else list(check.notes)
        listed = [check.details.rows] if check.details else []
        assert [*(field.name for field in check.fields), *noted, *listed] == list(columns.model_fields)
        if check.details is not None:
            rows = _row_type(facts[check.name], check.details.rows)
            assert [field.name for field in check.details.fields] == list(rows.model_fields)
        if check.total is not None:
            assert check.total.name in facts[check.name].model_fields
        assert {field.name for field in check.fields if field.kind == "code"} == set(_with_codes(check))


@each_department
def test_a_note_is_about_a_fact_that_may_be_absent_and_is_filled_from_facts(department: DepartmentManifest) -> None:
    for check in department.checks:
        facts = facts_of(department)[check.name].model_fields
        for name, text in check.notes.items():
            assert not facts[name].is_required()
            assert placeholders(text.zh) == placeholders(text.en) <= set(facts)


@each_department
def test_every_value_of_a_code_has_words(department: DepartmentManifest) -> None:
    for check in department.checks:
        for field in _with_codes(check).values():
            values = get_args(facts_of(department)[check.name].model_fields[field.name].annotation)
            assert set(field.codes) == set(values)


@each_department
def test_a_record_with_nothing_on_it_is_assessed_in_every_check(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    assessment = rules.assess(rules.record())
    assert rules.name == department.name
    assert tuple(check.check for check in assessment.checks) == department.check_names
    for said in assessment.checks:
        facts_of(department)[said.check].model_validate(said.facts)


@each_department
def test_what_an_absent_row_means_is_what_the_rules_say_of_an_empty_record(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    verdicts = {check.check: check.verdict.value for check in rules.assess(rules.record()).checks}
    declared_of = {check.name: check.absent for check in department.checks if check.absent != "unknown"}
    assert declared_of == {name: verdicts[name] for name in declared_of}


def test_each_check_of_the_guide_declares_what_an_absent_row_means() -> None:
    declared_of = {(name, check.name): check.absent for name, one in DEPARTMENTS.items() for check in one.checks}
    assert declared_of == {
        ("library", "borrowing"): "blocked",
        ("library", "thesis"): "blocked",
        ("archives", "thesis"): "blocked",
        ("dorm", "check-out"): "clear",
        ("finance", "arrears"): "clear",
    }


def test_a_check_that_declares_nothing_is_not_known_when_there_is_no_row() -> None:
    text = Text(zh="一", en="one")
    check = CheckManifest(name="one", title=text, fields=())
    assert check.absent == "unknown"


@pytest.mark.parametrize("code", sorted(UNKNOWN_REASONS))
def test_a_manifest_has_no_reason_of_its_own_with_a_reserved_code(code: str) -> None:
    text = Text(zh="一", en="one")
    with pytest.raises(ValidationError, match=f"{code} is reserved"):
        CheckManifest(name="one", title=text, fields=(), reasons={code: text})


@each_department
def test_the_commands_on_the_page_are_those_of_the_rules(department: DepartmentManifest) -> None:
    offered = {check.command.name for check in department.checks if check.command}
    assert offered == set(rules_of(department).commands)
    for check in department.checks:
        if check.command:
            assert set(check.command.offered_when) <= set(facts_of(department)[check.name].model_fields)


@each_department
def test_every_check_names_a_phone(department: DepartmentManifest) -> None:
    assert all(check.phones for check in department.checks)


@each_department
def test_every_operation_and_row_has_an_example_and_each_is_right(department: DepartmentManifest) -> None:
    rules, examples = rules_of(department), examples_of(department)
    names = [operation.name for operation in rules.operations] + [one.name for one in rules.holder_operations]
    assert set(examples.operations) == set(names)
    for one in rules.holder_operations:
        assert all(rules.items(one.body.model_validate(body).model_dump()) for body in examples.operations[one.name])
    bodies = [(rules.import_row, row) for row in examples.rows]
    bodies += [(one.body, body) for one in rules.operations for body in examples.operations[one.name]]
    for model, body in bodies:
        assert model.model_validate(body).student_id == "TS20260001"
        with pytest.raises(ValidationError, match="unheard_of"):
            model.model_validate({**body, "unheard_of": "x"})


@each_department
def test_every_example_record_survives_being_stored(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    for example in examples_of(department).records:
        record = rules.record.model_validate(example)
        assert record != rules.record()
        assert rules.record.model_validate_json(record.model_dump_json()) == record


@each_department
def test_every_example_row_can_be_applied_and_applied_again_changes_nothing(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    for example in examples_of(department).rows:
        row = rules.import_row.model_validate(example)
        once = rules.apply_row(rules.record(), row)
        assert rules.apply_row(once, row) is once


@each_department
def test_operations_have_distinct_names_that_fit_in_a_path(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    names = [operation.name for operation in rules.operations] + [one.name for one in rules.holder_operations]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)


def test_the_departments_stand_in_the_order_of_the_guide() -> None:
    assert [department.title.zh for department in DEPARTMENTS.values()][:4] == [
        "图书馆",
        "档案馆",
        "总务部公寓与物业中心",
        "财务处收费管理办公室",
    ]


@pytest.mark.parametrize(
    ("department", "check", "labels", "phones"),
    [
        ("library", "borrowing", ["未还册数", "欠款金额(元)", "违章状态", "证件状态"], ["83592019", "83591210"]),
        ("library", "thesis", ["论文提交状态"], ["83592058", "83592099"]),
        ("archives", "thesis", ["论文提交状态"], ["83592101"]),
        ("dorm", "check-out", ["校区", "楼宇", "房间号", "退宿日期", "退宿办理人"], ["83590327"]),
        ("finance", "arrears", ["学号", "收费学年", "收费项目名称", "总欠款"], ["83590233"]),
    ],
)
def test_labels_and_phones_are_the_guides(department: str, check: str, labels: list[str], phones: list[str]) -> None:
    shown = next(shown for shown in DEPARTMENTS[department].checks if shown.name == check)
    assert [field.label.zh for field in shown.fields] == labels
    assert [phone.removeprefix("0516-") for phone in shown.phones] == phones


def test_refused_keeps_what_a_problem_needs() -> None:
    rules = rules_of(DEPARTMENTS["archives"])
    approve = next(operation for operation in rules.operations if operation.name == "approved")
    with pytest.raises(Refused) as refused:
        approve.apply(rules.record(), approve.body.model_validate({"student_id": "TS20260001"}))
    assert (refused.value.reason.code, str(refused.value.remedy)) == (
        "thesis-not-received",
        "请先登记收到论文。 Receive the thesis first.",
    )


def examples_of(department: DepartmentManifest) -> Examples:
    examples = load_examples(SERVICES / department.name)
    assert examples.rows
    assert examples.records
    return examples


def _with_codes(check: CheckManifest) -> dict[str, FieldManifest]:
    return {field.name: field for field in check.fields if field.codes}


def _row_type(facts: type[BaseModel], rows: str) -> type[BaseModel]:
    row: type[BaseModel] = get_args(facts.model_fields[rows].annotation)[0]
    return row
