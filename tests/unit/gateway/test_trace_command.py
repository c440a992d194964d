"""What `trace --at --json` prints of a page, for a program."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.cli.installation import _print_json, _Traced
from services.gateway.shown.as_it_was import page_at
from services.gateway.shown.document import Kept, ShownDocument, ShownLine

START = datetime(2026, 6, 8, 8, tzinfo=UTC)


def kept(minute: int, verdict: str) -> Kept:
    at = START + timedelta(minutes=minute)
    line = ShownLine("library", "library", "图书", verdict, verdict, version=1, occurred_at=START)
    return Kept("zh", at, at, ShownDocument(standing="open", headline=("办理中",), submission=(), lines=(line,)))


def test_the_page_that_was_shown_is_printed_with_each_line_and_what_came_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    then = page_at([kept(0, "blocked"), kept(5, "clear")], START)
    _print_json({"page": _Traced((), then).page})
    page = json.loads(capsys.readouterr().out)["page"]
    assert page["document"]["headline"] == ["办理中"]
    (shown,) = page["document"]["lines"]
    assert (shown["verdict"], shown["occurred_at"]) == ("blocked", "2026-06-08T08:00:00Z")
    (line,) = page["lines"]
    assert (line["line"], line["next"]["verdict"]) == ("library", "clear")
    assert (page["replaced_at"], line["next_at"]) == ("2026-06-08T08:05:00.000+00:00",) * 2
