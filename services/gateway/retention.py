"""The gateway's tables: how long their rows are kept, and which are a student's."""

from typing import Final

from services.kit.retention.tables import MESSAGING, Table, of_student, oldest

TABLES: Final = (
    *MESSAGING,
    # What has expired is refused by its reader at once; here it goes.
    Table(
        "session",
        forget=of_student("session"),
        purge=oldest("session", "expires_at < $1 OR seen_at < $1"),
        keep="session_idle_s",
    ),
    # A limit that is gone is as one that nothing was taken from: the slowest has filled up again after a day.
    Table("shared_limit", purge=oldest("shared_limit", "at + interval '1 day' < $1"), keep="session_idle_s"),
    Table("used_logout_token", purge=oldest("used_logout_token", "expires_at < $1"), keep="session_idle_s"),
    Table(
        "number_choice",
        forget=of_student("number_choice", "student_ids && $1"),
        purge=oldest("number_choice", "expires_at < $1"),
        keep="session_idle_s",
    ),
    Table("staff_person", purge=oldest("staff_person", "signed_in_at < $1"), keep="keep_rounds_days"),
    Table(
        "favourite", forget=of_student("favourite"), purge=oldest("favourite", "kept_at < $1"), keep="keep_rounds_days"
    ),
    Table(
        "line_comment",
        forget=of_student("line_comment"),
        purge=oldest("line_comment", "coalesce(answered_at, asked_at) < $1"),
        keep="keep_notes_days",
    ),
    # Names no student.
    Table("reminder", purge=oldest("reminder", "asked_at < $1"), keep="keep_rounds_days"),
    Table(
        "shown_page",
        forget=of_student("shown_page"),
        purge=oldest("shown_page", "first_shown_at < $1 AND last_shown_at < $1"),
        keep="keep_shown_days",
    ),
    Table(
        "command",
        forget=of_student("command"),
        purge=oldest("command", "state <> 'asked' AND ended_at < $1"),
        keep="keep_rounds_days",
    ),
)
