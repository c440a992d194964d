"""What a department's desk does next with a student's record, as a graduation season goes. Pure.

Most acts lead towards a clear record; a few lead back, as they do in life: a late fine, a thesis returned for changes.
A department that is not in `DESKS` is left alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, Final

from deploy.demo import names as names

SETBACK: Final = 0.06
"""How often an act leads back."""
ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Act:
    """One operation at a desk. `body` lacks the student's number, which whoever sends it adds."""

    operation: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Moment:
    """What an act may need from outside: the day, chance, and a text that no earlier act was given."""

    today: date
    random: Random
    fresh: str


Acts = Callable[[Mapping[str, Any], Moment], list[Act]]


@dataclass(frozen=True)
class DeskSimulation:
    """What a desk can do with a record: towards clear, and back."""

    forward: Acts
    back: Acts


def next_act(department: str, record: Mapping[str, Any], moment: Moment, *, even_if_clear: bool = False) -> Act | None:
    """The next act on a record as `POST /records/query` shows it; None when there is nothing to do.

    With `even_if_clear` a record with nothing left to do gets something new.
    """
    habits = DESKS.get(department)
    if habits is None:
        return None
    forward = habits.forward(record, moment)
    if (even_if_clear and not forward) or moment.random.random() < SETBACK:
        return _one_of(habits.back(record, moment), moment) or _one_of(forward, moment)
    return _one_of(forward, moment)


def _one_of(acts: list[Act], moment: Moment) -> Act | None:
    return moment.random.choice(acts) if acts else None


def _library(record: Mapping[str, Any], moment: Moment) -> list[Act]:
    acts = [Act("return", {"barcode": loan["barcode"]}) for loan in record["loans"]]
    for fine in record["fines"]:
        if due := Decimal(fine["amount"]) - Decimal(fine["paid"]):
            acts.append(Act("payment", {"fine_id": fine["fine_id"], "amount": str(due)}))
    acts += [
        Act("settle-violation", {"violation_id": each["violation_id"]})
        for each in record["violations"]
        if not each["settled"]
    ]
    if not acts and record["card"] == "active":
        acts.append(Act("cancel-card", {}))
    return acts + _THESIS_AT_LIBRARY.get(record["thesis"], [])


_THESIS_AT_LIBRARY: Final = {
    "none": [Act("thesis-received", {})],
    "not-submitted": [Act("thesis-received", {})],
    "submitted": [Act("thesis-in-review", {})],
    "in-review": [Act("thesis-approved", {})],
    "returned": [Act("thesis-received", {})],
}


def _library_back(record: Mapping[str, Any], moment: Moment) -> list[Act]:
    text, amount = moment.random.choice(names.FINES)
    acts = [Act("fine", {"fine_id": f"F-{moment.fresh}", "text": text, "amount": amount})]
    if record["card"] == "active":
        title = moment.random.choice(names.BOOKS)
        due_on = moment.today.isoformat()
        acts.append(Act("loan", {"barcode": f"B{moment.fresh}", "title": title, "due_on": due_on}))
    if record["thesis"] == "in-review":
        acts.append(Act("thesis-returned", {}))
    return acts


def _archives(record: Mapping[str, Any], _moment: Moment) -> list[Act]:
    return {"empty": [Act("received", {})], "submitted": [Act("approved", {})]}.get(record["thesis"], [])


def _archives_back(record: Mapping[str, Any], _moment: Moment) -> list[Act]:
    return [Act("returned", {})] if record["thesis"] == "submitted" else []


def _dorm(record: Mapping[str, Any], moment: Moment) -> list[Act]:
    out = {"checked_out_on": moment.today.isoformat(), "handler": moment.random.choice(names.HANDLERS)}
    return [
        Act("check-out", {key: residence[key] for key in ("campus", "building", "room")} | out)
        for residence in record["residences"]
        if not (residence["checked_out_on"] and residence["handler"])
    ]


def _dorm_back(_record: Mapping[str, Any], _moment: Moment) -> list[Act]:
    return []  # who has moved out does not move in again


def _finance(record: Mapping[str, Any], _moment: Moment) -> list[Act]:
    acts = []
    for charge in record["charges"]:
        due = Decimal(charge["amount"]) - Decimal(charge["paid"]) - Decimal(charge["waived"])
        if due > ZERO:
            acts.append(Act("payment", {"charge_id": charge["charge_id"], "amount": str(due)}))
    return acts


def _finance_back(_record: Mapping[str, Any], moment: Moment) -> list[Act]:
    name, amount = moment.random.choice(names.CHARGES[2:])
    charge_id = f"C-{moment.fresh}"
    return [Act("charge", {"charge_id": charge_id, "year": str(moment.today.year), "name": name, "amount": amount})]


DESKS: Final = {
    "library": DeskSimulation(_library, _library_back),
    "archives": DeskSimulation(_archives, _archives_back),
    "dorm": DeskSimulation(_dorm, _dorm_back),
    "finance": DeskSimulation(_finance, _finance_back),
}
