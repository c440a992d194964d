"""Request bodies of a desk's operations, and the two ways an operation is not carried out. Pure."""

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason, StudentId


class OperationBody(BaseModel):
    """Base of a request body. The student id is in the body because URLs end up in logs."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    student_id: StudentId


class Refused(Exception):
    """A rule of the department does not allow an operation or a command. Nothing was changed."""

    def __init__(self, reason: Reason, *, field: str | None = None, remedy: str = "") -> None:
        super().__init__(reason.code)
        self.reason = reason
        self.field = field
        self.remedy = remedy


class Held(Exception):
    """A submission of this student is being decided; a change that would block a clear student has to wait."""
