"""The page of a form and its PDF: the same blocks with the same words in the same order."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from services.gateway.case.submission.accepted_form import form_view
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.printing.qr_image import form_link, qr_inline
from services.gateway.read_model.types import Attested, Submission
from services.gateway.routes.student.form_document import form_document
from services.gateway.web.renderer import Renderer
from tests.support.pdf_glyphs import drawn_in
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW
from tests.support.samples.form_samples import printed
from tests.unit.gateway.certificates.test_verification import FORM

ORIGIN = "https://x.example"
RENDERER = Renderer(case_samples.site(), case_samples.FOLDER)


class _Article(HTMLParser):
    """The text of the article, as it stands in the document."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self._inside = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "article"

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "article"

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def completed(waived: bool = False) -> Submission:
    reading = case_samples.completed_with_waivers() if waived else case_samples.completed()
    assert reading.submission is not None
    return reading.submission


def with_rooms(count: int) -> Submission:
    rooms = case_samples.dorm([{**case_samples.ROOM, "room": f"A{number}"} for number in range(count)])
    submission = completed()
    return replace(submission, facts={**submission.facts, "dorm": Attested(3, rooms.status.checks, NOW)})


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "submission", [completed(), completed(waived=True), with_rooms(3)], ids=["usual", "waived", "three rooms"]
)
async def test_page_and_pdf_say_the_same_in_the_same_order(submission: Submission, language: str) -> None:
    texts = catalogue("en" if language == "en" else "zh")
    context = ViewContext(case_samples.site(), texts, NOW)
    form = form_view(context, submission, case_samples.case())
    document = form_document(context, form, origin=ORIGIN)
    link = form_link(ORIGIN, FORM.qr_text or "")
    values = {"form": form, "doc": document, "qr_image": qr_inline(link), "pdf": "/me/form.pdf"}
    article = _Article()
    article.feed(RENDERER.html("completed.html", texts, session=None, back="/completed", **values))
    on_paper = drawn_in(await printed(document)).text
    for check in document["checks"]:  # the page draws the mark
        on_paper = on_paper.replace(f"{check['mark']} {check['verdict']}", check["verdict"])
    assert "".join(article.text.split()) == "".join(on_paper.split())
