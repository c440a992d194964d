"""Reasons of every import that is installed: whatever a row holds, they are for people, Chinese first."""

import importlib
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.clearance.roster.cases import HEADINGS, RosterRow
from services.kit.department.changes.imports import import_headings
from services.kit.imports.reasons import row_problems
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import discover

_HAN = "[\u4e00-\u9fff]"
_FOR_MACHINES = re.compile(r"[\^$\\]|\[[A-Za-z0-9]|\(\?|pattern|regular|should match|Input|Value error|Decimal|ensure")
_TEXTS = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        [
            "长" * 300,
            "1,234.50",
            "-1",
            "1e400",
            "NaN",
            "99999999999",
            "6/5/2026",
            "1900-01-01",
            "是否",
            "0",
            "a b",
            "no",
        ]
    ),
)


def spec_of(name: str) -> ImportSpec[Any]:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    if name == "roster":
        return ImportSpec(kind=name, row=RosterRow, headings=HEADINGS, apply=unused, role="")
    rules = importlib.import_module(f"services.{name}.operations").RULES
    return ImportSpec(
        kind=name,
        row=rules.import_row,
        headings=import_headings(discover()[name], rules.import_row),
        apply=unused,
        role="",
    )


@pytest.mark.parametrize("name", [*discover(), "roster"])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_row_has_a_reason_for_machines(name: str, data: st.DataObject) -> None:
    spec = spec_of(name)
    cells = data.draw(st.dictionaries(st.sampled_from([*spec.columns.kinds]), _TEXTS))
    try:
        spec.read(cells)
    except ValidationError as error:
        for problem in row_problems(error, spec.columns, {}):
            assert re.match(f"(“[^”]+”)?({_HAN}|：{_HAN})", problem["problem"]), problem
            assert re.match(_HAN, problem["remedy"]), problem
            assert re.search("[a-z]{2}", problem["problem"]), problem
            assert re.search("[a-z]{2}", problem["remedy"]), problem
            assert not _FOR_MACHINES.search(problem["problem"] + problem["remedy"]), problem
