from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.standing import Standing

if TYPE_CHECKING:
    from ..models.check_status import CheckStatus
    from ..models.desk_answer_record import DeskAnswerRecord


T = TypeVar("T", bound="DeskAnswer")


@_attrs_define
class DeskAnswer:
    """A student's record and the checks that follow from it.

    Attributes:
        student_id (str): In its one spelling: upper case. Another one is unreadable.
        applied (bool): Whether this request changed the record.
        repeated (bool): Whether this is the stored answer of an earlier request with the same key.
        clear (bool): Whether every check of this department passes.
        standing (Standing): Of a number on the roster, as far as a department has heard.
        status_version (int): Version of the department's newest status for this student; 0 if none.
        checks (list[CheckStatus]):
        record (DeskAnswerRecord):
    """

    student_id: str
    applied: bool
    repeated: bool
    clear: bool
    standing: Standing
    status_version: int
    checks: list[CheckStatus]
    record: DeskAnswerRecord
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        student_id = self.student_id

        applied = self.applied

        repeated = self.repeated

        clear = self.clear

        standing = self.standing.value

        status_version = self.status_version

        checks = []
        for checks_item_data in self.checks:
            checks_item = checks_item_data.to_dict()
            checks.append(checks_item)

        record = self.record.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "student_id": student_id,
                "applied": applied,
                "repeated": repeated,
                "clear": clear,
                "standing": standing,
                "status_version": status_version,
                "checks": checks,
                "record": record,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.check_status import CheckStatus
        from ..models.desk_answer_record import DeskAnswerRecord

        d = dict(src_dict)
        student_id = d.pop("student_id")

        applied = d.pop("applied")

        repeated = d.pop("repeated")

        clear = d.pop("clear")

        standing = Standing(d.pop("standing"))

        status_version = d.pop("status_version")

        checks = []
        _checks = d.pop("checks")
        for checks_item_data in _checks:
            checks_item = CheckStatus.from_dict(checks_item_data)

            checks.append(checks_item)

        record = DeskAnswerRecord.from_dict(d.pop("record"))

        desk_answer = cls(
            student_id=student_id,
            applied=applied,
            repeated=repeated,
            clear=clear,
            standing=standing,
            status_version=status_version,
            checks=checks,
            record=record,
        )

        desk_answer.additional_properties = d
        return desk_answer

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
