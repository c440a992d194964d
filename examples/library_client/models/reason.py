from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.reason_parameters import ReasonParameters


T = TypeVar("T", bound="Reason")


@_attrs_define
class Reason:
    """Why a check is blocked: a code of the department, and the parameters of its text.

    Two codes are reserved and mean that the department does not know: `no-data`, nothing there covers the student;
    `open-question`, data about the student was refused and is not settled. A reader that does not know them blocks; one
    that does shows the check as waiting. Both may stand beside other reasons.

        Attributes:
            code (str):
            parameters (ReasonParameters | Unset):
    """

    code: str
    parameters: ReasonParameters | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        code = self.code

        parameters: dict[str, Any] | Unset = UNSET
        if not isinstance(self.parameters, Unset):
            parameters = self.parameters.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "code": code,
            }
        )
        if parameters is not UNSET:
            field_dict["parameters"] = parameters

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.reason_parameters import ReasonParameters

        d = dict(src_dict)
        code = d.pop("code")

        _parameters = d.pop("parameters", UNSET)
        parameters: ReasonParameters | Unset
        if isinstance(_parameters, Unset):
            parameters = UNSET
        else:
            parameters = ReasonParameters.from_dict(_parameters)

        reason = cls(
            code=code,
            parameters=parameters,
        )

        reason.additional_properties = d
        return reason

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
