"""PDFs by Typst, which can read nothing but packaged templates and fonts.

Reading the fonts takes longer than a form: a compiler a thread, with a bounded queue that no person can fill.
"""

import asyncio
import hashlib
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
import typst

from services.gateway.printing import fonts
from services.gateway.printing.missing_glyphs import count_missing
from services.gateway.printing.qr_image import qr_svg
from services.kit.http.problems import Problem
from services.kit.observability.metrics import FORM_MISSING_GLYPHS

_log = structlog.get_logger(__name__)

TEMPLATES: Final = Path(__file__).parent / "templates"
"""Typst's root, which no path leads out of."""
WORKERS: Final = 2
"""A slow form leaves the others a thread."""
MAX_WAITING: Final = 40
MAX_OF_PERSON: Final = 3
"""At once, of MAX_WAITING: a person has a few forms in two languages."""
MAX_CACHED_BYTES: Final = 16 * 1024 * 1024
TIMEOUT_S: Final = 10.0
STANDARDS: Final[list["typst.PDFStandard"]] = ["a-2a", "ua-1"]
"""Kept for decades, and read aloud."""
_NO_PACKAGES: Final = TEMPLATES / "no-packages"
"""Does not exist: no template can load a package."""


class NotSigned(Exception):
    """Its text is the cause, for the log."""


class FormRenderer:
    """Used from one event loop. A form is the same file each time: it is made once, however often it is asked for.

    `sign` adds a signature to a PDF, in the same thread, or raises `NotSigned`; without one, forms are not signed.
    """

    def __init__(
        self,
        template: str = "form.typ",
        *,
        timeout_s: float = TIMEOUT_S,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._template = template
        self._sign = sign
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="typst")
        self._of_thread = threading.local()
        self._making: dict[bytes, asyncio.Future[_Made]] = {}
        self._waiting_of: Counter[str] = Counter()
        self._made: OrderedDict[bytes, bytes] = OrderedDict()

    async def pdf(self, document: dict[str, Any], at: datetime, *, link: str = "", person: str = "") -> bytes:
        """The same file for the same `at`, while it is kept. Raises a `Problem`: 503 if busy or slow, 429 for many of
        one `person`.
        """
        inputs = json.dumps(document, ensure_ascii=False)
        key = hashlib.sha256(f"{inputs}\n{link}\n{at.isoformat()}".encode()).digest()
        if (made := self._made.get(key)) is not None:
            self._made.move_to_end(key)
            return made
        if key not in self._making:
            self._begin(key, document, at, link, person)
        try:
            return (await asyncio.wait_for(asyncio.shield(self._making[key]), self._timeout_s)).pdf
        except TimeoutError:
            raise _busy() from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, key: bytes, document: dict[str, Any], at: datetime, link: str, person: str) -> None:
        if len(self._making) >= MAX_WAITING:
            raise _busy()
        if person and self._waiting_of[person] >= MAX_OF_PERSON:
            raise _too_many()
        self._waiting_of[person] += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._make, document, at, link)
        self._making[key] = work
        # Counted until the thread is done with it, even after the request timed out.
        work.add_done_callback(partial(self._done, key, person))

    def _done(self, key: bytes, person: str, work: "asyncio.Future[_Made]") -> None:
        del self._making[key]
        self._waiting_of[person] -= 1
        if not self._waiting_of[person]:
            del self._waiting_of[person]
        if not work.cancelled() and work.exception() is None and work.result().complete:
            self._made[key] = work.result().pdf
            while sum(map(len, self._made.values())) > MAX_CACHED_BYTES:
                self._made.popitem(last=False)

    def _make(self, document: dict[str, Any], at: datetime, link: str) -> "_Made":
        pdf = self._typeset(document, at, link)
        if self._sign is None:
            return _Made(pdf)
        try:
            return _Made(self._sign(pdf))
        except NotSigned as error:
            # The signature in its QR code is what counts: better without the PDF's than no form.
            _log.warning("form.left_unsigned", cause=str(error))
            return _Made(pdf, complete=False)

    def _typeset(self, document: dict[str, Any], at: datetime, link: str) -> bytes:
        compiler: typst.Compiler | None = getattr(self._of_thread, "compiler", None)
        if compiler is None:
            compiler = self._of_thread.compiler = _compiler(self._template)
        document = {**document, "image": qr_svg(link)}
        inputs = {"data": json.dumps(document, ensure_ascii=False), "fonts": json.dumps(fonts.FAMILIES)}
        missing = _report_missing_glyphs(document)
        try:
            return _compiled(compiler, inputs, at, STANDARDS)
        except typst.TypstError:
            # A box, or a character of private use, keeps to no standard. The error quotes what is printed.
            if not missing:
                _log.warning("form.printed_off_standard")
            return _compiled(compiler, inputs, at, [])


class _Made(NamedTuple):
    """`complete`: to be kept; one that lacks its signature is made again when it is asked for again."""

    pdf: bytes
    complete: bool = True


def _compiled(
    compiler: typst.Compiler, inputs: dict[str, str], at: datetime, standards: "list[typst.PDFStandard]"
) -> bytes:
    pdf = compiler.compile(format="pdf", sys_inputs=inputs, timestamp=int(at.timestamp()), pdf_standards=standards)
    assert isinstance(pdf, bytes)
    return pdf


def _report_missing_glyphs(document: dict[str, Any]) -> Counter[str]:
    """Typst has no warning for a box."""
    texts = [value for key, value in document.items() if key != "image"]
    missing = count_missing(texts, fonts.characters())
    for script, count in missing.items():
        FORM_MISSING_GLYPHS.add(count, {"script": script})
    if missing:
        _log.warning("form.printed_with_boxes", characters=missing.total(), scripts=sorted(missing))
    return missing


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


def _too_many() -> Problem:
    return Problem(
        429,
        "too-many-forms",
        title="Your other forms are being made",
        detail="Retry after the time in Retry-After.",
        headers={"Retry-After": "5"},
    )
