from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.verdict import Verdict
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.check_status_facts import CheckStatusFacts
    from ..models.reason import Reason


T = TypeVar("T", bound="CheckStatus")


@_attrs_define
class CheckStatus:
    """One check of one student. `facts` is what the student's page shows; money in it is a decimal string.

    `blocked` with a reserved reason (`no-data`, `open-question`) is unknown, not blocked. With `no-data`, `facts` is
    empty.

        Attributes:
            check (str):
            verdict (Verdict):
            reasons (list[Reason] | Unset):
            facts (CheckStatusFacts | Unset):
    """

    check: str
    verdict: Verdict
    reasons: list[Reason] | Unset = UNSET
    facts: CheckStatusFacts | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        check = self.check

        verdict = self.verdict.value

        reasons: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.reasons, Unset):
            reasons = []
            for reasons_item_data in self.reasons:
                reasons_item = reasons_item_data.to_dict()
                reasons.append(reasons_item)

        facts: dict[str, Any] | Unset = UNSET
        if not isinstance(self.facts, Unset):
            facts = self.facts.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "check": check,
                "verdict": verdict,
            }
        )
        if reasons is not UNSET:
            field_dict["reasons"] = reasons
        if facts is not UNSET:
            field_dict["facts"] = facts

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.check_status_facts import CheckStatusFacts
        from ..models.reason import Reason

        d = dict(src_dict)
        check = d.pop("check")

        verdict = Verdict(d.pop("verdict"))

        _reasons = d.pop("reasons", UNSET)
        reasons: list[Reason] | Unset = UNSET
        if _reasons is not UNSET:
            reasons = []
            for reasons_item_data in _reasons:
                reasons_item = Reason.from_dict(reasons_item_data)

                reasons.append(reasons_item)

        _facts = d.pop("facts", UNSET)
        facts: CheckStatusFacts | Unset
        if isinstance(_facts, Unset):
            facts = UNSET
        else:
            facts = CheckStatusFacts.from_dict(_facts)

        check_status = cls(
            check=check,
            verdict=verdict,
            reasons=reasons,
            facts=facts,
        )

        check_status.additional_properties = d
        return check_status

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
