"""Contains all the data models used in inputs/outputs"""

from .check_status import CheckStatus
from .check_status_facts import CheckStatusFacts
from .check_status_facts_additional_property_type_4_item import (
    CheckStatusFactsAdditionalPropertyType4Item,
)
from .desk_answer import DeskAnswer
from .desk_answer_record import DeskAnswerRecord
from .import_body import ImportBody
from .import_rows_state_type_0 import ImportRowsStateType0
from .job import Job
from .job_effects import JobEffects
from .job_format import JobFormat
from .job_state import JobState
from .loan_body import LoanBody
from .problem import Problem
from .problem_errors_item import ProblemErrorsItem
from .reason import Reason
from .reason_parameters import ReasonParameters
from .return_body import ReturnBody
from .row_problem import RowProblem
from .row_result import RowResult
from .row_result_state import RowResultState
from .rows import Rows
from .standing import Standing
from .student_query import StudentQuery
from .verdict import Verdict

__all__ = (
    "CheckStatus",
    "CheckStatusFacts",
    "CheckStatusFactsAdditionalPropertyType4Item",
    "DeskAnswer",
    "DeskAnswerRecord",
    "ImportBody",
    "ImportRowsStateType0",
    "Job",
    "JobEffects",
    "JobFormat",
    "JobState",
    "LoanBody",
    "Problem",
    "ProblemErrorsItem",
    "Reason",
    "ReasonParameters",
    "ReturnBody",
    "RowProblem",
    "RowResult",
    "RowResultState",
    "Rows",
    "Standing",
    "StudentQuery",
    "Verdict",
)
