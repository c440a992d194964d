from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="LoanBody")


@_attrs_define
class LoanBody:
    """
    Attributes:
        student_id (str): Compared in upper case, trimmed, with full-width characters folded.
        barcode (str):
        title (str):
        due_on (datetime.date):
    """

    student_id: str
    barcode: str
    title: str
    due_on: datetime.date

    def to_dict(self) -> dict[str, Any]:
        student_id = self.student_id

        barcode = self.barcode

        title = self.title

        due_on = self.due_on.isoformat()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "student_id": student_id,
                "barcode": barcode,
                "title": title,
                "due_on": due_on,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        student_id = d.pop("student_id")

        barcode = d.pop("barcode")

        title = d.pop("title")

        due_on = datetime.date.fromisoformat(d.pop("due_on"))

        loan_body = cls(
            student_id=student_id,
            barcode=barcode,
            title=title,
            due_on=due_on,
        )

        return loan_body
