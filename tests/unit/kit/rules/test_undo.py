"""Taking back an operation, over every operation of every department's examples."""

from typing import Any

import pytest

from services.kit.department.examples import load_examples
from services.kit.manifests import SERVICES, discover
from services.kit.operations import Refused
from services.kit.rules.department_rules import DepartmentRules, HolderOperation, Operation
from services.kit.rules.undo import MOVED_ON, Undo
from services.library.operations import RULES as LIBRARY
from services.library.rules import Card, LibraryRecord, Loan
from tests.support.departments.desks import rules_of

DEPARTMENTS = discover()
AnyOperation = Operation[Any, Any] | HolderOperation[Any, Any]


def operations_of(rules: DepartmentRules[Any]) -> tuple[AnyOperation, ...]:
    return (*rules.operations, *rules.holder_operations)


EVERY_OPERATION = [
    pytest.param(name, operation, id=f"{name}-{operation.name}")
    for name in DEPARTMENTS
    for operation in operations_of(rules_of(name))
]


def records(rules: DepartmentRules[Any]) -> list[Any]:
    """The empty one, those of the examples, and what each example operation makes of them."""
    examples = load_examples(SERVICES / rules.name)
    found = [rules.record(), *map(rules.record.model_validate, examples.records)]
    for operation in rules.operations:
        for body in examples.operations[operation.name]:
            for record in tuple(found):
                try:
                    found.append(operation.apply(record, operation.body.model_validate(body))[0])
                except Refused:
                    continue
    return list({one.model_dump_json(): one for one in found}.values())


@pytest.mark.parametrize(("name", "operation"), EVERY_OPERATION)
def test_an_operation_is_taken_back_to_the_very_record_before_it_or_says_why_not(
    name: str, operation: AnyOperation
) -> None:
    undo: Undo[Any] | None = operation.undo
    manifest = DEPARTMENTS[name].operations[operation.name]
    assert (undo is None) == (manifest.no_undo is not None)
    if undo is None:
        return
    changed = 0
    for before in records(rules_of(name)):
        for example in load_examples(SERVICES / name).operations[operation.name]:
            body = operation.body.model_validate(example)
            try:
                after, _ = operation.apply(before, body)
            except Refused:
                continue
            changed += after != before
            names = undo.names(body)
            done = {"before": undo.of(before, names), "after": undo.of(after, names)}
            restored = undo.take_back(after, names, **done)
            assert comparable(restored) == comparable(before)
            if after != before:
                with pytest.raises(Refused) as refused:
                    undo.take_back(before, names, **done)
                assert refused.value.reason == MOVED_ON()
    assert changed


def comparable(record: Any) -> Any:
    """A line that comes back stands last."""
    return {
        name: sorted(map(repr, value)) if isinstance(value, tuple) else value
        for name, value in record.model_dump().items()
    }


def test_what_another_did_to_the_rest_of_the_record_stays() -> None:
    undo = operation("loan").undo
    assert undo is not None
    lent = {"barcode": "b-7", "title": "矿山压力", "due_on": "2026-06-20"}
    record = LibraryRecord.model_validate({"loans": [lent, {**lent, "barcode": "B-8"}], "card": "active"})
    restored = undo.take_back(record, {"barcode": "B-7"}, before=None, after=lent)
    assert [loan.barcode for loan in restored.loans] == ["B-8"]


def test_a_book_does_not_come_back_on_a_card_that_was_cancelled_since() -> None:
    undo = operation("return").undo
    assert undo is not None
    lent = {"barcode": "B-7", "title": "矿山压力", "due_on": "2026-06-20"}
    with pytest.raises(Refused) as refused:
        undo.take_back(LibraryRecord(card=Card.CANCELLED), {"barcode": "B-7"}, before=lent, after=None)
    assert refused.value.reason.code == "loan-on-cancelled-card"


def test_a_line_that_comes_back_to_a_full_record_is_refused() -> None:
    undo = operation("return").undo
    assert undo is not None
    lent = {"barcode": "B-7", "title": "矿山压力", "due_on": "2026-06-20"}
    full = LibraryRecord(loans=tuple(Loan.model_validate({**lent, "barcode": f"C{index}"}) for index in range(200)))
    with pytest.raises(Refused) as refused:
        undo.take_back(full, {"barcode": "B-7"}, before=lent, after=None)
    assert refused.value.reason.code == "record-full"


def operation(name: str) -> Operation[LibraryRecord, Any]:
    return next(one for one in LIBRARY.operations if one.name == name)
