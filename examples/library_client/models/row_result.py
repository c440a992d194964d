from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.row_result_state import RowResultState
from ..models.standing import Standing
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.row_problem import RowProblem


T = TypeVar("T", bound="RowResult")


@_attrs_define
class RowResult:
    """The result of one row; `row` is its number in the file's own program: the headings are row 1.

    Attributes:
        row (int):
        state (RowResultState):
        standing (None | Standing): Of the row's number on the roster, `unknown` if it is not there; null if nobody
            looked it up.
        problems (list[RowProblem] | Unset):
    """

    row: int
    state: RowResultState
    standing: None | Standing
    problems: list[RowProblem] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        row = self.row

        state = self.state.value

        standing: None | str
        if isinstance(self.standing, Standing):
            standing = self.standing.value
        else:
            standing = self.standing

        problems: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.problems, Unset):
            problems = []
            for problems_item_data in self.problems:
                problems_item = problems_item_data.to_dict()
                problems.append(problems_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "row": row,
                "state": state,
                "standing": standing,
            }
        )
        if problems is not UNSET:
            field_dict["problems"] = problems

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.row_problem import RowProblem

        d = dict(src_dict)
        row = d.pop("row")

        state = RowResultState(d.pop("state"))

        def _parse_standing(data: object) -> None | Standing:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                standing_type_0 = Standing(data)

                return standing_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Standing, data)

        standing = _parse_standing(d.pop("standing"))

        _problems = d.pop("problems", UNSET)
        problems: list[RowProblem] | Unset = UNSET
        if _problems is not UNSET:
            problems = []
            for problems_item_data in _problems:
                problems_item = RowProblem.from_dict(problems_item_data)

                problems.append(problems_item)

        row_result = cls(
            row=row,
            state=state,
            standing=standing,
            problems=problems,
        )

        row_result.additional_properties = d
        return row_result

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
