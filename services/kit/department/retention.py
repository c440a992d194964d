"""A department's tables: how long their rows are kept, and which are a student's."""

from typing import Final

from services.kit.retention.tables import IMPORTS, MESSAGING, REPUBLICATION, TOKENS, Table, of_student, oldest

TABLES: Final = (
    *MESSAGING,
    *IMPORTS,
    TOKENS,
    # Kept until the student is forgotten: a debt that is not on record is a pass.
    Table("record", forget=of_student("record")),
    Table("hold", forget=of_student("hold")),
    # Deleted by the hold watch after an hour.
    Table("waiting_change", forget=of_student("waiting_change")),
    Table("open_question", forget=of_student("open_question")),
    Table(
        "desk_request",
        forget=of_student("desk_request", "answer ->> 'student_id' = ANY($1)"),
        purge=oldest("desk_request", "answered_at < $1"),
        keep="keep_requests_days",
    ),
    Table(
        "done_operation",
        forget=of_student("done_operation"),
        purge=oldest("done_operation", "done_at < $1"),
        keep="keep_requests_days",
    ),
    Table("note", forget=of_student("note"), purge=oldest("note", "written_at < $1"), keep="keep_notes_days"),
    Table(
        "attestation",
        forget=of_student("attestation"),
        purge=oldest(
            "attestation",
            "given_at < $1 AND NOT EXISTS (SELECT FROM hold WHERE hold.attempt_id = attestation.attempt_id)",
        ),
        keep="keep_rounds_days",
    ),
    Table(
        "attempt_end",
        forget=of_student("attempt_end"),
        purge=oldest("attempt_end", "heard_at < $1"),
        keep="keep_rounds_days",
    ),
    Table(
        "command_done",
        forget=of_student("command_done"),
        purge=oldest("command_done", "done_at < $1"),
        keep="keep_rounds_days",
    ),
    Table("covering_load"),
    Table("coverage_revision"),
    Table("version_floor"),
    Table("assessed_rules"),
    REPUBLICATION,
)
