"""A department's desk without a database: its rules alone."""

from typing import Any, Generic, TypeVar

import pytest

from schemas.events import Reason
from services.kit.operations import Refused
from services.kit.rules.department_rules import DepartmentRules, Record

R = TypeVar("R", bound=Record)


class PureDesk(Generic[R]):
    """Operations and rows are about one student."""

    def __init__(self, rules: DepartmentRules[R], student_id: str) -> None:
        self.rules = rules
        self.student_id = student_id
        self.operations = {operation.name: operation for operation in rules.operations}

    def do(self, record: R, operation: str, **body: Any) -> tuple[R, Reason]:
        chosen = self.operations[operation]
        return chosen.apply(record, chosen.body.model_validate({"student_id": self.student_id, **body}))

    def done(self, record: R, operation: str, **body: Any) -> R:
        return self.do(record, operation, **body)[0]

    def refusal(self, record: R, operation: str, **body: Any) -> tuple[Reason, str | None]:
        """Its reason, and the field it names."""
        with pytest.raises(Refused) as refused:
            self.do(record, operation, **body)
        return refused.value.reason, refused.value.field

    def row(self, record: R, **cells: Any) -> R:
        return self.rules.apply_row(
            record, self.rules.import_row.model_validate({"student_id": self.student_id, **cells})
        )
