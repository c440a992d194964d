"""Every code a department's rules can give has its words, in both languages, with the places it fills and no other."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from services.kit.department.rules import DepartmentRules
from services.kit.department.student_commands import REFUSALS
from services.kit.manifests import SERVICES, CheckManifest, DepartmentManifest, FieldOnPage, Text, discover
from services.kit.message_format import fill, placeholders
from services.kit.operations import Refused

pytestmark = pytest.mark.unit

DEPARTMENTS = discover()
KIT_CAUSES: dict[str, set[str]] = {"case-opened": set(), "record-replaced": set()}
"""What the kit itself says happened, in every department."""
each_department = pytest.mark.parametrize("department", DEPARTMENTS.values(), ids=DEPARTMENTS)


@dataclass(frozen=True)
class Code:
    code: str
    parameters: frozenset[str]
    refusal: bool
    in_rules: bool


def rules_of(department: DepartmentManifest) -> DepartmentRules[Any]:
    rules = import_module(f"services.{department.name}.operations").RULES
    assert isinstance(rules, DepartmentRules)
    return rules


def facts_of(department: DepartmentManifest) -> dict[str, type[BaseModel]]:
    facts: dict[str, type[BaseModel]] = import_module(f"services.{department.name}.rules").FACTS
    return facts


def codes_in(path: Path) -> Iterator[Code]:
    """Every `Reason(...)` written in a file. Its code and the names of its parameters must be literal to be found."""
    tree = ast.parse(path.read_text("utf-8"))
    refused = set(_reasons_of_refusals(tree))
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Reason"):
            continue
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        code = keywords["code"]
        assert isinstance(code, ast.Constant), f"{path}:{call.lineno}: a code is written out"
        yield Code(str(code.value), _names(path, keywords.get("parameters")), call in refused, path.stem == "rules")


def _names(path: Path, parameters: ast.expr | None) -> frozenset[str]:
    if parameters is None:
        return frozenset()
    if isinstance(parameters, ast.Call) and isinstance(parameters.func, ast.Name):
        parameters = _returned_dict(path, parameters.func.id)
    assert isinstance(parameters, ast.Dict), f"{path}: parameters are written out"
    return frozenset(str(key.value) for key in parameters.keys if isinstance(key, ast.Constant))


def _returned_dict(path: Path, function: str) -> ast.expr | None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return next(statement.value for statement in node.body if isinstance(statement, ast.Return))
    return None


def _reasons_of_refusals(tree: ast.AST) -> Iterator[ast.expr]:
    """The `Reason` a `Refused` is raised with: written inside it, or as the variable `reason` just before."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                yield node.args[0]
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["reason"]:
                yield node.value


def codes_of(department: DepartmentManifest) -> list[Code]:
    return [code for path in sorted((SERVICES / department.name).glob("*.py")) for code in codes_in(path)]


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


def assert_words(texts: dict[str, Text], codes: dict[str, set[str]]) -> None:
    assert set(texts) == set(codes)
    for code, parameters in codes.items():
        assert placeholders(texts[code].zh) == parameters, code
        assert placeholders(texts[code].en) == parameters, code


def by_code(codes: list[Code]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for code in codes:
        assert found.setdefault(code.code, set(code.parameters)) == code.parameters, f"{code.code} differs in places"
    return found


@each_department
def test_every_reason_of_the_rules_has_a_sentence_and_no_sentence_is_unused(department: DepartmentManifest) -> None:
    said = {code: text for check in department.checks for code, text in check.reasons.items()}
    assert_words(said, by_code([code for code in codes_of(department) if code.in_rules]))


@each_department
def test_every_cause_has_a_phrase_and_no_phrase_is_unused(department: DepartmentManifest) -> None:
    codes = [code for code in codes_of(department) if not code.in_rules and not code.refusal]
    assert_words(department.causes, {**KIT_CAUSES, **by_code(codes)})


@each_department
def test_every_refusal_has_a_sentence_and_no_sentence_is_unused(department: DepartmentManifest) -> None:
    codes = [code for code in codes_of(department) if not code.in_rules and code.refusal]
    takes_commands = any(check.command for check in department.checks)
    by_the_kit = {reason.code: set[str]() for reason in REFUSALS} if takes_commands else {}
    assert_words(department.refusals, by_code(codes) | by_the_kit)


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
        assert [field.name for field in check.fields] == list(columns.model_fields)
        if check.total is not None:
            assert check.total.name in facts[check.name].model_fields
        assert {field.name for field in check.fields if field.kind == "code"} == set(_with_codes(check))


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
def test_every_body_and_row_shows_examples_that_are_right(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    for body in (*(operation.body for operation in rules.operations), rules.import_row):
        for example in examples(body):
            assert body.model_validate(example).student_id == "TS20260001"
            with pytest.raises(ValidationError, match="unheard_of"):
                body.model_validate({**example, "unheard_of": "x"})


@each_department
def test_the_record_shows_examples_that_survive_being_stored(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    for example in examples(rules.record):
        record = rules.record.model_validate(example)
        assert record != rules.record()
        assert rules.record.model_validate_json(record.model_dump_json()) == record


@each_department
def test_every_example_row_can_be_applied_and_applied_again_changes_nothing(department: DepartmentManifest) -> None:
    rules = rules_of(department)
    for example in examples(rules.import_row):
        row = rules.import_row.model_validate(example)
        once, _ = rules.apply_row(rules.record(), row)
        again, cause = rules.apply_row(once, row)
        assert again is once
        assert cause.code == "row-imported"


@each_department
def test_operations_have_distinct_names_that_fit_in_a_path(department: DepartmentManifest) -> None:
    names = [operation.name for operation in rules_of(department).operations]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalpha() and name.islower() for name in names)


@each_department
def test_each_refusal_can_be_raised_with_its_words(department: DepartmentManifest) -> None:
    """A refusal is found by its code, so the words fill without an error."""
    for code in codes_of(department):
        if code.refusal:
            text = department.refusals[code.code]
            filled = fill(text.en, dict.fromkeys(code.parameters, "7"), "en")
            assert "{" not in filled


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
    assert (refused.value.reason.code, refused.value.remedy) == ("thesis-not-received", "Receive the thesis first.")


def examples(body: type[BaseModel]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = body.model_json_schema().get("examples", [])
    assert shown, f"{body.__name__} shows no example"
    return shown


def _with_codes(check: CheckManifest) -> dict[str, FieldOnPage]:
    return {field.name: field for field in check.fields if field.codes}


def _row_type(facts: type[BaseModel], rows: str) -> type[BaseModel]:
    row: type[BaseModel] = get_args(facts.model_fields[rows].annotation)[0]
    return row
