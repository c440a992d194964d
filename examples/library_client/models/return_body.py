from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="ReturnBody")


@_attrs_define
class ReturnBody:
    """
    Attributes:
        student_id (str): Compared in upper case, trimmed, with full-width characters folded.
        barcode (str):
    """

    student_id: str
    barcode: str

    def to_dict(self) -> dict[str, Any]:
        student_id = self.student_id

        barcode = self.barcode

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "student_id": student_id,
                "barcode": barcode,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        student_id = d.pop("student_id")

        barcode = d.pop("barcode")

        return_body = cls(
            student_id=student_id,
            barcode=barcode,
        )

        return return_body
