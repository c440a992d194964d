"""A desk's next operation on a student's record during a graduation season. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, Final

from deploy.demo import names

SETBACK: Final = 0.06
"""Probability."""
ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Call:
    """`body` lacks the student id."""

    operation: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Conditions:
    """`unique`: a text that no earlier call was given."""

    today: date
    random: Random
    unique: str


Calls = Callable[[Mapping[str, Any], Conditions], list[Call]]


@dataclass(frozen=True)
class DeskSimulation:
    forward: Calls
    setbacks: Calls


def next_call(
    department: str, record: Mapping[str, Any], conditions: Conditions, *, even_if_clear: bool = False
) -> Call | None:
    """None when nothing is left to do, or a setback with `even_if_clear`."""
    desk = DESKS.get(department)
    if desk is None:
        return None
    forward = desk.forward(record, conditions)
    if (even_if_clear and not forward) or conditions.random.random() < SETBACK:
        return _one_of(desk.setbacks(record, conditions), conditions) or _one_of(forward, conditions)
    return _one_of(forward, conditions)


def _one_of(calls: list[Call], conditions: Conditions) -> Call | None:
    return conditions.random.choice(calls) if calls else None


def _library(record: Mapping[str, Any], conditions: Conditions) -> list[Call]:
    calls = [Call("return", {"barcode": loan["barcode"]}) for loan in record["loans"]]
    for fine in record["fines"]:
        if (due := Decimal(fine["amount"]) - Decimal(fine["paid"])) > ZERO:
            calls.append(Call("payment", {"fine_id": fine["fine_id"], "amount": str(due)}))
    calls += [
        Call("settle-violation", {"violation_id": each["violation_id"]})
        for each in record["violations"]
        if not each["settled"]
    ]
    if not calls and record["card"] == "active":
        calls.append(Call("cancel-card", {}))
    return calls + _THESIS_AT_LIBRARY.get(record["thesis"], [])


_THESIS_AT_LIBRARY: Final = {
    "none": [Call("thesis-received", {})],
    "not-submitted": [Call("thesis-received", {})],
    "submitted": [Call("thesis-in-review", {})],
    "in-review": [Call("thesis-approved", {})],
    "returned": [Call("thesis-received", {})],
}


def _library_setbacks(record: Mapping[str, Any], conditions: Conditions) -> list[Call]:
    text, amount = conditions.random.choice(names.FINES)
    calls = [Call("fine", {"fine_id": f"F-{conditions.unique}", "text": text, "amount": amount})]
    if record["card"] == "active":
        title = conditions.random.choice(names.BOOKS)
        due_on = conditions.today.isoformat()
        calls.append(Call("loan", {"barcode": f"B{conditions.unique}", "title": title, "due_on": due_on}))
    if record["thesis"] == "in-review":
        calls.append(Call("thesis-returned", {}))
    return calls


def _archives(record: Mapping[str, Any], _conditions: Conditions) -> list[Call]:
    return {"empty": [Call("received", {})], "submitted": [Call("approved", {})]}.get(record["thesis"], [])


def _archives_setbacks(record: Mapping[str, Any], _conditions: Conditions) -> list[Call]:
    return [Call("returned", {})] if record["thesis"] == "submitted" else []


def _dorm(record: Mapping[str, Any], conditions: Conditions) -> list[Call]:
    out = {"checked_out_on": conditions.today.isoformat(), "handler": conditions.random.choice(names.HANDLERS)}
    return [
        Call("check-out", {key: residence[key] for key in ("campus", "building", "room")} | out)
        for residence in record["residences"]
        if not (residence["checked_out_on"] and residence["handler"])
    ]


def _dorm_setbacks(_record: Mapping[str, Any], _conditions: Conditions) -> list[Call]:
    return []  # nobody who has moved out moves in again


def _finance(record: Mapping[str, Any], _conditions: Conditions) -> list[Call]:
    calls = []
    for charge in record["charges"]:
        due = Decimal(charge["amount"]) - Decimal(charge["paid"]) - Decimal(charge["waived"])
        if due > ZERO:
            calls.append(Call("payment", {"charge_id": charge["charge_id"], "amount": str(due)}))
    return calls


def _finance_setbacks(_record: Mapping[str, Any], conditions: Conditions) -> list[Call]:
    name, amount = conditions.random.choice(names.CHARGES[2:])
    charge_id = f"C-{conditions.unique}"
    return [
        Call("charge", {"charge_id": charge_id, "year": str(conditions.today.year), "name": name, "amount": amount})
    ]


DESKS: Final = {
    "library": DeskSimulation(_library, _library_setbacks),
    "archives": DeskSimulation(_archives, _archives_setbacks),
    "dorm": DeskSimulation(_dorm, _dorm_setbacks),
    "finance": DeskSimulation(_finance, _finance_setbacks),
}
