"""A form as it is printed: its document, and the PDF of one."""

from dataclasses import replace
from typing import Any, Final

from services.gateway.case.submission.accepted_form import form_view
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.printing.typst import FormRenderer
from services.gateway.read_model.types import Attested
from services.gateway.routes.student.form_document import form_document
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW

LINK: Final = "https://x.example/verify#LXF2:" + "A1B2C3" * 400


def document(language: str = "zh", *, name: str = "欧阳𠮷㛃", rooms: int = 1) -> dict[str, Any]:
    reading = case_samples.completed()
    assert reading.submission is not None
    many = case_samples.dorm([{**case_samples.ROOM, "room": f"A{number:04d}"} for number in range(rooms)])
    facts = {**reading.submission.facts, "dorm": Attested(3, many.status.checks, NOW)}
    submission = replace(reading.submission, facts=facts, student=case_samples.case(name=name))
    texts = catalogue("en" if language == "en" else "zh")
    context = ViewContext(case_samples.site(), texts, NOW)
    form = form_view(context, submission, case_samples.case())
    return form_document(context, form, origin="https://x.example")


async def printed(given: dict[str, Any]) -> bytes:
    printer = FormRenderer()
    try:
        return await printer.pdf(given, NOW, link=LINK)
    finally:
        printer.close()
