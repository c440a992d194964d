"""The document that a proxy presents: sealed at the hand-over, compared afterwards with a number that staff type."""

import hmac
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from schemas.events import TakenBy
from services.gateway.certificates.documents import DocumentKeys, NoNumber, normal
from services.gateway.certificates.handover import Handover, Outcome
from services.gateway.read_model.types import SubmissionRecord
from services.gateway.tables.shared_limits import SharedLimit, SharedLimits
from services.gateway.timeouts import bounded
from services.kit.audit import log
from services.kit.http.problems import Problem
from services.kit.secret_files import NoSecret, secret_of

OF_A_CLERK: Final = SharedLimit("proxy-document", rate=20 / 3_600, burst=20)
"""Comparisons: whoever tries numbers is slow, and in the audit with each."""


_log = structlog.get_logger(__name__)


class Comparison(StrEnum):
    SAME = "same"
    DIFFERENT = "different"
    NO_NUMBER = "no-number"
    NONE_KEPT = "none-kept"
    NO_KEY = "no-key"
    """Its key is not in the file any more."""
    TOO_MANY = "too-many"


class ProxyDocuments:
    def __init__(self, file: Path | None, pool: "asyncpg.Pool[Any]", limits: SharedLimits) -> None:
        """`file` of the keys; without one no document is kept."""
        self._file, self._pool, self._limits = file, pool, limits

    @property
    def are_kept(self) -> bool:
        return self._file is not None

    def sealed(self, handover: Handover, form_number: str, typed: str) -> Handover:
        """With the document's seal, or what is wrong with it. Raises a 503 `Problem` without a key.

        A seal that comes with the hand-over has the proof that it was made for it, or counts for nothing.
        """
        sent = handover.document
        handover = replace(handover, document=None)
        if not self.are_kept or handover.taken_by is not TakenBy.PROXY:
            return handover
        if sent is not None:
            proof = self._usable_keys().proof(sent, form_number, handover.command_id)
            if proof and hmac.compare_digest(proof, handover.document_proof):
                return replace(handover, document=sent)
        try:
            number = normal(typed)
        except NoNumber as error:
            return replace(handover, defect=Outcome.DOCUMENT_MISTYPED if error.mistyped else Outcome.PROXY_UNDOCUMENTED)
        keys = self._usable_keys()
        seal = keys.seal(form_number, number)
        return replace(handover, document=seal, document_proof=keys.proof(seal, form_number, handover.command_id))

    async def compare(self, account: str, record: SubmissionRecord, typed: str) -> Comparison:
        """With the one of the hand-over that stands. Audited; may raise transient database errors."""
        if await self._limits.take(OF_A_CLERK, account):
            compared = Comparison.TOO_MANY
        else:
            compared = self._compared(record, typed)
        await bounded(self._log(account, record, compared))
        return compared

    def _compared(self, record: SubmissionRecord, typed: str) -> Comparison:
        if record.issue is None or record.issue.document is None:
            return Comparison.NONE_KEPT
        try:
            number, keys = normal(typed), self._keys()
        except NoNumber:
            return Comparison.NO_NUMBER
        except (NoSecret, ValueError):
            return Comparison.NO_KEY
        fits = keys.fits(record.issue.document, record.published.form_number, number)
        if fits is None:
            return Comparison.NO_KEY
        return Comparison.SAME if fits else Comparison.DIFFERENT

    def _usable_keys(self) -> DocumentKeys:
        try:
            return self._keys()
        except (NoSecret, ValueError) as error:
            _log.error("document_keys.failed", error=type(error).__name__)
            raise Problem(503, "no-key", title="The proxy's document cannot be recorded now") from None

    def _keys(self) -> DocumentKeys:
        return DocumentKeys.of(secret_of(None, self._file) or "")

    async def _log(self, account: str, record: SubmissionRecord, compared: Comparison) -> None:
        async with self._pool.acquire() as connection:
            await log.append_entry(
                connection,
                actor=account,
                act="certificate.compare-document",
                outcome=compared.value,
                student_id=record.published.student_id,
                details={"form": record.published.form_number},
            )
