"""The PDF: one page whatever is on it, every character there and readable, and data that stays data."""

import asyncio
import io
from datetime import datetime
from typing import Any

import pytest
from pdfminer.high_level import extract_text
from pdfminer.pdfpage import PDFPage

from services.gateway.case.submission.accepted_form import form_view
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.printing.typst import MAX_OF_PERSON, MAX_WAITING, TEMPLATES, FormRenderer
from services.gateway.routes.student.form_document import form_document
from services.kit.http.problems import Problem
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW
from tests.support.samples.form_samples import document, printed

RARE = "䶮㛃𠮷𬭚𰻝"
HOSTILE = '#read("/etc/passwd") *b* $x$ <l> @r [c] \\ `raw` #include "form.typ" https://a.example // c'


def text_of(pdf: bytes) -> str:
    return extract_text(io.BytesIO(pdf))


def pages_of(pdf: bytes) -> int:
    return len(list(PDFPage.get_pages(io.BytesIO(pdf))))


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_form_is_one_page_with_all_that_the_desk_needs(language: str) -> None:
    pdf = await printed(document(language, name=RARE))
    text = text_of(pdf)
    for words in (RARE, "TS23170042P31", "LX2026-004217", "7KQ4-M2XD", "南湖校区", "A0000", "https://x.example/verify"):
        assert words in text, words
    assert pages_of(pdf) == 1


@pytest.mark.parametrize("rooms", [60, 500])
async def test_a_long_form_is_still_one_page(rooms: int) -> None:
    pdf = await printed(document(rooms=rooms))
    assert pages_of(pdf) == 1
    assert f"A{rooms - 1:04d}" in text_of(pdf)


async def test_a_name_with_markup_is_set_letter_by_letter() -> None:
    text = "".join(text_of(await printed(document(name=HOSTILE))).split())
    assert "".join(HOSTILE.split()) in text
    assert "root:" not in text


async def test_the_same_form_is_the_same_file() -> None:
    assert await printed(document()) == await printed(document())


async def test_one_printer_makes_one_form_after_another_and_mixes_none() -> None:
    printer = FormRenderer()
    names = [f"学生{number}号" for number in range(6)]
    pdfs = await asyncio.gather(*(printer.pdf(document(name=name), NOW) for name in names))
    printer.close()
    for name, text in zip(names, map(text_of, pdfs), strict=True):
        assert [other for other in names if other in text] == [name]


async def test_what_takes_too_long_is_given_up_and_asked_to_come_back() -> None:
    printer = FormRenderer(timeout_s=0.0)
    with pytest.raises(Problem) as refused:
        await printer.pdf(document(), NOW)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "10"})
    printer.close()


async def test_too_many_who_wait_are_sent_away() -> None:
    printer = FormRenderer()
    given = document()
    asked = (printer.pdf({**given, "number": ["No.", str(number)]}, NOW) for number in range(MAX_WAITING + 20))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    printer.close()
    refused = [answer for answer in answers if isinstance(answer, Problem)]
    assert len(refused) == 20
    assert all(isinstance(answer, bytes) for answer in answers if not isinstance(answer, Problem))


async def test_one_person_fills_neither_the_queue_nor_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    printer, typeset = FormRenderer(), FormRenderer._typeset
    made: list[str] = []

    def counted(self: FormRenderer, given: dict[str, Any], at: datetime, link: str) -> bytes:
        made.append(given["number"][1])
        return typeset(self, given, at, link)

    monkeypatch.setattr(FormRenderer, "_typeset", counted)
    forms = [{**document(), "number": ["No.", str(number)]} for number in range(20)]
    same = (printer.pdf(forms[0], NOW, person="a") for _ in range(MAX_WAITING * 2))
    many = (printer.pdf(form, NOW, person="b") for form in forms[1:])
    results = await asyncio.gather(*same, *many, printer.pdf(forms[-1], NOW, person="c"), return_exceptions=True)
    again = await printer.pdf(forms[0], NOW, person="a")
    printer.close()
    assert all(result == again for result in results[: MAX_WAITING * 2])
    refused = [result.status for result in results if isinstance(result, Problem)]
    assert refused == [429] * (19 - MAX_OF_PERSON)
    assert isinstance(results[-1], bytes)
    assert sorted(made) == sorted({*made})


def test_a_template_reads_nothing_but_its_data() -> None:
    source = "\n".join(path.read_text("utf-8") for path in TEMPLATES.iterdir())
    assert [path.name for path in TEMPLATES.iterdir()] == ["form.typ"]
    for reading in ("#import", "#include", "read(", "@preview", "eval(", "plugin("):
        assert reading not in source


@pytest.mark.parametrize(("language", "word"), [("zh", "— 无需办理"), ("en", "— Not needed")])
async def test_a_check_that_was_not_needed_is_printed_as_such_with_its_reason(language: str, word: str) -> None:
    reading = case_samples.completed_with_waivers()
    assert reading.submission is not None
    context = ViewContext(case_samples.site(), catalogue("en" if language == "en" else "zh"), NOW)
    form = form_view(context, reading.submission, case_samples.case())
    given = form_document(context, form, origin="https://x.example")
    assert [check["mark"] for check in given["checks"]] == ["✓", "—", "✓", "✓", "—"]
    text = text_of(await printed(given))
    for words in (word, "涉密论文，由导师归档", "已核对缴费凭证"):
        assert words in text, words
    assert pages_of(await printed(given)) == 1
