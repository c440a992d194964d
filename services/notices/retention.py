"""The notice service's tables: how long their rows are kept, and which are a student's."""

from typing import Final

from services.kit.retention.tables import MESSAGING, TOKENS, Table, of_student, oldest

TABLES: Final = (
    *MESSAGING,
    TOKENS,
    Table("notice_beginning"),
    # Kept until the student is forgotten: what the next event is compared with.
    Table("known_case", forget=of_student("known_case")),
    Table("known_line", forget=of_student("known_line")),
    # Longer than topics keep their records, which may be read again.
    Table(
        "occasion",
        forget=of_student("occasion"),
        purge=oldest("occasion", "noted_at < $1 AND collected_at IS NOT NULL"),
        keep="keep_rounds_days",
    ),
    Table(
        "notice",
        forget=of_student("notice"),
        purge=oldest("notice", "state <> 'waiting' AND ended_at < $1"),
        keep="keep_rounds_days",
    ),
    Table(
        "sent_occasion",
        forget=of_student("sent_occasion"),
        purge=oldest("sent_occasion", "sent_at < $1"),
        keep="keep_rounds_days",
    ),
    Table(
        "reminder", forget=of_student("reminder"), purge=oldest("reminder", "asked_at < $1"), keep="keep_rounds_days"
    ),
    Table("contact", forget=of_student("contact"), purge=oldest("contact", "changed_at < $1"), keep="keep_rounds_days"),
)
