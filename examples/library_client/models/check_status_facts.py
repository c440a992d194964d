from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.check_status_facts_additional_property_type_4_item import (
        CheckStatusFactsAdditionalPropertyType4Item,
    )


T = TypeVar("T", bound="CheckStatusFacts")


@_attrs_define
class CheckStatusFacts:
    additional_properties: dict[
        str, bool | int | list[CheckStatusFactsAdditionalPropertyType4Item] | None | str
    ] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            if isinstance(prop, list):
                field_dict[prop_name] = []
                for additional_property_type_4_item_data in prop:
                    additional_property_type_4_item = (
                        additional_property_type_4_item_data.to_dict()
                    )
                    field_dict[prop_name].append(additional_property_type_4_item)

            else:
                field_dict[prop_name] = prop

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.check_status_facts_additional_property_type_4_item import (
            CheckStatusFactsAdditionalPropertyType4Item,
        )

        d = dict(src_dict)
        check_status_facts = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():

            def _parse_additional_property(
                data: object,
            ) -> (
                bool
                | int
                | list[CheckStatusFactsAdditionalPropertyType4Item]
                | None
                | str
            ):
                if data is None:
                    return data
                try:
                    if not isinstance(data, list):
                        raise TypeError()
                    additional_property_type_4 = []
                    _additional_property_type_4 = data
                    for (
                        additional_property_type_4_item_data
                    ) in _additional_property_type_4:
                        additional_property_type_4_item = (
                            CheckStatusFactsAdditionalPropertyType4Item.from_dict(
                                additional_property_type_4_item_data
                            )
                        )

                        additional_property_type_4.append(
                            additional_property_type_4_item
                        )

                    return additional_property_type_4
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                return cast(
                    bool
                    | int
                    | list[CheckStatusFactsAdditionalPropertyType4Item]
                    | None
                    | str,
                    data,
                )

            additional_property = _parse_additional_property(prop_dict)

            additional_properties[prop_name] = additional_property

        check_status_facts.additional_properties = additional_properties
        return check_status_facts

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(
        self, key: str
    ) -> bool | int | list[CheckStatusFactsAdditionalPropertyType4Item] | None | str:
        return self.additional_properties[key]

    def __setitem__(
        self,
        key: str,
        value: bool
        | int
        | list[CheckStatusFactsAdditionalPropertyType4Item]
        | None
        | str,
    ) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
