"""PDFs by Typst, which can read nothing but packaged templates and fonts.

Reading the fonts takes longer than a form: one compiler in one thread, with a bounded queue.
"""

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import segno
import structlog
import typst

from services.gateway.printing import fonts
from services.gateway.printing.missing_glyphs import count_missing
from services.kit.http.problems import Problem
from services.kit.observability.metrics import FORM_MISSING_GLYPHS

_log = structlog.get_logger(__name__)

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Typst's root, which no path leads out of."""
MAX_WAITING: Final = 40
TIMEOUT_S: Final = 10.0
_NO_PACKAGES: Final = TEMPLATES / "no-packages"
"""Does not exist: no template can load a package."""


class FormRenderer:
    """Used from one event loop."""

    def __init__(self, template: str = "form.typ", *, timeout_s: float = TIMEOUT_S) -> None:
        self._template = template
        self._timeout_s = timeout_s
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="typst")
        self._compiler: typst.Compiler | None = None

    async def pdf(self, document: dict[str, Any], at: datetime) -> bytes:
        """The same file for the same `at`. Raises a 503 `Problem` when busy or too slow."""
        if self._waiting >= MAX_WAITING:
            raise _busy()
        self._waiting += 1
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._typeset, document, at)
        # Counted until the thread is done with it, even after the request timed out.
        work.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._timeout_s)
        except TimeoutError:
            raise _busy() from None

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _done(self, work: "asyncio.Future[bytes]") -> None:
        self._waiting -= 1
        if not work.cancelled():
            work.exception()

    def _typeset(self, document: dict[str, Any], at: datetime) -> bytes:
        if self._compiler is None:
            self._compiler = _compiler(self._template)
        inputs = {"data": json.dumps(document, ensure_ascii=False), "fonts": json.dumps(fonts.FAMILIES)}
        pdf = self._compiler.compile(format="pdf", sys_inputs=inputs, timestamp=int(at.timestamp()))
        assert isinstance(pdf, bytes)
        _report_missing_glyphs(document)
        return pdf


def qr_svg(qr_text: str) -> str:
    if not qr_text:
        return ""
    drawn = io.BytesIO()
    code = segno.make(qr_text, error="l", boost_error=False, micro=False)
    code.save(drawn, kind="svg", border=4, light="white")
    return drawn.getvalue().decode()


def _report_missing_glyphs(document: dict[str, Any]) -> None:
    """Typst has no warning for a box."""
    texts = [value for key, value in document.items() if key != "image"]
    missing = count_missing(texts, fonts.characters())
    for script, count in missing.items():
        FORM_MISSING_GLYPHS.add(count, {"script": script})
    if missing:
        _log.warning("form.printed_with_boxes", characters=missing.total(), scripts=sorted(missing))


def _compiler(template: str) -> typst.Compiler:
    return typst.Compiler(
        input=str(TEMPLATES / template),
        root=str(TEMPLATES),
        font_paths=fonts.load(),
        ignore_system_fonts=True,
        package_path=str(_NO_PACKAGES),
        package_cache_path=str(_NO_PACKAGES),
    )


def _busy() -> Problem:
    return Problem(
        503,
        "printer-busy",
        title="The form cannot be made now",
        detail="Retry after the time in Retry-After, or print the page itself.",
        headers={"Retry-After": "10"},
    )
