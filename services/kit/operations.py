"""What a department is made of: a record, rules over it, and the operations its desk does. Pure.

The kit turns a `DepartmentRules` into a running service; a department's own files hold nothing but this.
"""

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason, StudentId


class OperationBody(BaseModel):
    """Base of what a desk sends. The student id travels in the body: a URL ends up in logs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    student_id: StudentId


class Refused(Exception):
    """A rule of the department says no to an operation or a command. Nothing was changed."""

    def __init__(self, reason: Reason, *, field: str | None = None, remedy: str = "") -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.field = field
        self.remedy = remedy


class Held(Exception):
    """A submission of this student is being decided; a change that takes the pass away has to wait for its end."""
