"""What each table holds about students: how its rows are forgotten, and after how long they are purged.

A service lists all its tables, also those without personal data: a table that is in no list fails a test.
"""

from dataclasses import dataclass
from typing import Final

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Table:
    """`forget`: statements over the rows about the student numbers `$1`. `purge`: over at most `$2` rows whose time
    ended before the instant `$1`, which is as long ago as the setting `keep` says. `batch`: rows of a transaction.
    """

    name: str
    forget: tuple[str, ...] = ()
    purge: str | None = None
    keep: str | None = None
    batch: int = BATCH


def of_student(table: str, condition: str = "student_id = ANY($1)") -> tuple[str, ...]:
    return (f"DELETE FROM {table} WHERE {condition}",)


def oldest(table: str, condition: str) -> str:
    """Deletes rows, of which another instance deletes others at the same time."""
    return (
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("
        f"SELECT ctid FROM {table} WHERE {condition} LIMIT $2 FOR UPDATE SKIP LOCKED))"
    )


# In JSON the letter before a number may be a line break's: `\nTS2026`, here in upper case.
_BEFORE_WORD: Final = r"(^|[^A-Z0-9-]|\\[BFNRT]|\\U[0-9A-F]{4})"


def mentions(text: str) -> str:
    """Whether the SQL expression `text`, as JSON too, has one of the numbers as a word: `TS2026` is not in
    `TS20260001`."""
    return (
        "EXISTS (SELECT FROM unnest($1::text[]) AS mentioned (number) WHERE "
        f"upper(normalize({text}, NFKC)) ~ ('{_BEFORE_WORD}' || number || '($|[^A-Z0-9-])'))"
    )


_RAW: Final = r"regexp_replace(encode(coalesce(key, '') || ' '::bytea || coalesce(value, ''), 'escape'), "
_RAW_TEXT: Final = _RAW + r"'\\[0-9]{3}', ' ', 'g')"
_RAW_AND_WHY: Final = f"{_RAW_TEXT} || ' ' || coalesce(ended_why, '')"
_CONTENT: Final = "key IS NOT NULL OR value IS NOT NULL OR headers <> '[]'"

# A discarded record still stands in its topic: its position is kept, so that a rebuilt view does not meet it as new.
_INBOX: Final = (
    Table("consumer_offset"),
    Table(
        "dead_letter",
        forget=(
            f"DELETE FROM dead_letter WHERE ended_how IS DISTINCT FROM 'discarded' AND {mentions(_RAW_TEXT)}",
            # Why it was discarded, an operator wrote.
            "UPDATE dead_letter SET key = NULL, value = NULL, headers = '[]', ended_why = NULL"
            f" WHERE ended_how = 'discarded' AND {mentions(_RAW_AND_WHY)}",
        ),
        purge=f"""
        WITH due AS (
            SELECT id FROM dead_letter WHERE ended_at < $1 AND (ended_how = 'replayed' OR {_CONTENT})
            LIMIT $2 FOR UPDATE SKIP LOCKED
        ), emptied AS (
            UPDATE dead_letter SET key = NULL, value = NULL, headers = '[]'
            WHERE id IN (SELECT id FROM due) AND ended_how = 'discarded' RETURNING id
        ), deleted AS (
            DELETE FROM dead_letter WHERE id IN (SELECT id FROM due) AND ended_how = 'replayed' RETURNING id
        )
        SELECT FROM emptied UNION ALL SELECT FROM deleted
        """,
        keep="keep_dead_letters_days",
    ),
)
_AUDIT: Final = (Table("audit.entry"), Table("audit.unsealed"), Table("audit.seal"))
MESSAGING: Final = (
    Table("outbox"),
    Table("outbox_producer"),
    Table("alive_mark"),
    *_INBOX,
    *_AUDIT,
    Table("migration"),
)
"""Of every service."""

# A pending row is applied within moments; a job that is not done counts its rows.
IMPORTS: Final = (
    Table(
        "import_job",
        purge=oldest("import_job", "state = 'done' AND finished_at < $1"),
        keep="keep_imports_days",
        batch=1,  # its rows go with it: 200,000 of a large file
    ),
    Table(
        "import_row",
        forget=of_student(
            "import_row",
            f"state <> 'pending' AND (student_id = ANY($1) OR cells IS NOT NULL AND {mentions('cells::text')})",
        ),
    ),
)

TOKENS: Final = Table(
    "access_token", purge=oldest("access_token", "least(expires_at, revoked_at) < $1"), keep="keep_rounds_days"
)

REPUBLICATION: Final = Table(
    "republication",
    forget=of_student("republication", "student_ids && $1"),
    purge=oldest("republication", "finished_at < $1"),
    keep="keep_requests_days",
)
