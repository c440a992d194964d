"""The clearance's tables: how long their rows are kept, and which are a student's."""

from typing import Final

from services.kit.retention.tables import IMPORTS, MESSAGING, REPUBLICATION, TOKENS, Table, of_student, oldest

# With their parts, also of a number that was taken from the person since.
_ATTEMPTS: Final = """attempt_id IN (
    SELECT attempt_id FROM attempt WHERE student_id = ANY($1)
    UNION ALL
    SELECT part.attempt_id FROM attempt AS whole JOIN attempt AS part ON part.parent_id = whole.attempt_id
    WHERE whole.student_id = ANY($1))"""
_FORMS: Final = "attempt_id IN (SELECT attempt_id FROM submission WHERE student_id = ANY($1))"

# An attempt goes with its parts, its answers and its waivers; one that was accepted stays with its form.
_ATTEMPT_DUE: Final = """
WITH due AS (
    SELECT attempt_id FROM attempt
    WHERE parent_id IS NULL AND state IN ('refused', 'expired') AND ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
), whole AS (
    SELECT attempt_id FROM due UNION ALL SELECT attempt_id FROM attempt WHERE parent_id IN (SELECT attempt_id FROM due)
), waivers AS (
    DELETE FROM attempt_waiver WHERE attempt_id IN (SELECT attempt_id FROM whole)
), answers AS (
    DELETE FROM answer WHERE attempt_id IN (SELECT attempt_id FROM whole)
), attempts AS (
    DELETE FROM attempt WHERE attempt_id IN (SELECT attempt_id FROM whole)
)
SELECT FROM due
"""

TABLES: Final = (
    *MESSAGING,
    *IMPORTS,
    TOKENS,
    # Kept until the student is forgotten: the case, its forms and what became of them.
    Table("student_case", forget=of_student("student_case")),
    Table("case_floor"),
    Table("status", forget=of_student("status")),
    # Follows `status` by triggers.
    Table("open_status", forget=of_student("open_status")),
    Table("proposal", forget=of_student("proposal")),
    Table("exemption", forget=of_student("exemption")),
    Table("submission", forget=of_student("submission")),
    Table("former_signature", forget=of_student("former_signature", _FORMS)),
    Table("form_void", forget=of_student("form_void")),
    Table("issue", forget=of_student("issue", _FORMS)),
    Table("issue_undo", forget=of_student("issue_undo", _FORMS)),
    Table("exception", forget=of_student("exception", _FORMS)),
    Table("roster_exception", forget=of_student("roster_exception", _FORMS)),
    Table("attempt", forget=of_student("attempt", _ATTEMPTS), purge=_ATTEMPT_DUE, keep="keep_rounds_days"),
    Table("answer", forget=of_student("answer", _ATTEMPTS)),
    # Goes with its answer.
    Table("prolonged_hold", forget=of_student("prolonged_hold", _ATTEMPTS)),
    Table("attempt_waiver", forget=of_student("attempt_waiver", _ATTEMPTS)),
    # Deleted by the sweeper after a day.
    Table("waiting_attestation", forget=of_student("waiting_attestation")),
    Table(
        "desk_refusal",
        forget=of_student("desk_refusal", _FORMS),
        purge=oldest("desk_refusal", "refused_at < $1"),
        keep="keep_rounds_days",
    ),
    Table("source"),
    Table("reconciliation"),
    Table(
        "reconciliation_finding",
        forget=(
            "UPDATE reconciliation_finding"
            " SET students = ARRAY(SELECT unnest(students) EXCEPT SELECT unnest($1::text[])) WHERE students && $1",
        ),
        purge=oldest("reconciliation_finding", "healed_at < $1"),
        keep="keep_rounds_days",
    ),
    Table("reconciliation_before", forget=of_student("reconciliation_before")),
    Table("signing_key"),
    REPUBLICATION,
)
