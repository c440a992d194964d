"""A page as a document to be kept: each line in the words that were shown, and the state of the view it was made from.

Pure. What only the clock changes (the age of an alive mark) is not in it: two pages that read alike are one document.
"""

import zlib
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec

from services.gateway.case.progress import CaseProgress, CheckProgress
from services.gateway.case.view_model import CasePage, CheckView, Table

_DIGEST_BYTES: Final = 16
_LEVEL: Final = 1
"""Half the time of the default level, a tenth more bytes."""


class ShownTable(msgspec.Struct, frozen=True, omit_defaults=True):
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, str] | None = None


class ShownLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """`version` to `cause` are of the department's status that the line was made from; None before there is any.

    `readable`: False when a newer record could not be read. `silent`: the department had stopped to report.
    """

    anchor: str
    department: str
    title: str
    state: str
    verdict: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[ShownTable, ...] = ()
    words: tuple[str, ...] = ()
    version: int | None = None
    occurred_at: datetime | None = None
    received_at: datetime | None = None
    cause: str | None = None
    readable: bool = True
    silent: bool = False


class ShownDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    standing: str
    headline: tuple[str, ...]
    submission: tuple[str, ...]
    form_number: str = ""
    case_version: int | None = None
    lines: tuple[ShownLine, ...] = ()


encoded: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(ShownDocument).decode


@dataclass(frozen=True, slots=True)
class Kept:
    """A page as it was kept. `until`: it was shown then still, and at most some minutes later."""

    language: str
    since: datetime
    until: datetime
    document: ShownDocument


class ShownPage:
    """`content`: the document, compressed."""

    __slots__ = ("content", "digest")

    def __init__(self, document: bytes) -> None:
        self.digest = blake2b(document, digest_size=_DIGEST_BYTES).digest()
        self.content = zlib.compress(document, _LEVEL)


def shown_page(page: CasePage, progress: CaseProgress) -> ShownPage:
    return ShownPage(encoded(document_of(page, progress)))


def document_of(page: CasePage, progress: CaseProgress) -> ShownDocument:
    views = {view.anchor: view for group in page.groups for view in group.lines}
    summary, submit = page.summary, page.submit
    return ShownDocument(
        standing=page.standing,
        headline=_words(
            page.notice,
            summary.sentence,
            summary.turns or summary.next_step,
            *(words for matter in summary.matters for words in matter.sentences),
        ),
        submission=_words(
            submit.sentence, submit.refusal, *submit.refusal_reasons, *(one.words for one in submit.round)
        ),
        form_number=page.form.form_number if page.form else "",
        case_version=progress.case.version if progress.case else None,
        lines=tuple(_line(views[one.anchor], one) for one in progress.checks if one.anchor in views),
    )


def read_document(content: bytes) -> ShownDocument:
    return _decode(zlib.decompress(content))


def _line(view: CheckView, progress: CheckProgress) -> ShownLine:
    received, fresh, comment = progress.received, view.freshness, view.comment
    status = received.status if received else None
    return ShownLine(
        anchor=view.anchor,
        department=view.department,
        title=view.title,
        state=view.state,
        verdict=view.verdict,
        facts=tuple((fact.label, fact.value) for fact in view.facts) if view.known else (),
        tables=tuple(_table(one) for one in (view.table, view.details) if one is not None),
        words=_words(
            view.turn_word,
            view.waiver,
            *view.todo,
            *view.notes,
            view.command.note if view.command else "",
            *((fresh.words, fresh.note) if fresh else ()),
            *((comment.heading, comment.text, comment.answered, comment.answer) if comment else ()),
        ),
        version=status.version if status else None,
        occurred_at=status.occurred_at if status else None,
        received_at=received.received_at if received else None,
        cause=status.cause.code if status else None,
        readable=received.readable if received else True,
        silent=progress.aged,
    )


def _table(table: Table) -> ShownTable:
    columns = tuple(column.label for column in table.columns)
    return ShownTable(columns=columns, rows=table.rows, total=table.total if table.rows else None)


def _words(*parts: str) -> tuple[str, ...]:
    return tuple(part for part in parts if part)
