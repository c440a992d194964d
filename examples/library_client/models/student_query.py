from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

from attrs import define as _attrs_define

T = TypeVar("T", bound="StudentQuery")


@_attrs_define
class StudentQuery:
    """
    Attributes:
        student_id (str): Compared in upper case, trimmed, with full-width characters folded.
    """

    student_id: str

    def to_dict(self) -> dict[str, Any]:
        student_id = self.student_id

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "student_id": student_id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        student_id = d.pop("student_id")

        student_query = cls(
            student_id=student_id,
        )

        return student_query
