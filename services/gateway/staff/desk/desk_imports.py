"""A department's imports over HTTP, for a person."""

from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from services.gateway.staff.desk.desk_answers import DeskAnswer
from services.gateway.staff.desk.desk_client import DeskClient
from services.gateway.staff.desk.import_answers import ImportJob, ImportJobs, ImportPreview, ImportRows

A = TypeVar("A", bound=DeskAnswer)
_PAGE: Final = 20
_ROWS: Final = 100
UPLOAD_TIMEOUT_S: Final = 60.0
"""A file of 20 MB is read before it is answered; a preview tries its rows for half a minute."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """`covers`: the cohort whose complete list it is, `*` for everybody, empty for none."""

    name: str
    content: bytes
    media_type: str
    covers: str = ""

    @property
    def part(self) -> tuple[str, bytes, str]:
        return self.name, self.content, self.media_type


@dataclass(frozen=True, slots=True)
class DeskImports:
    """Methods raise `DeskUnavailable` and `DeskRefused`."""

    desk: DeskClient
    person: str

    async def latest(self, before: int | None) -> ImportJobs:
        query = {"limit": _PAGE} | ({} if before is None else {"before": before})
        return self._read(ImportJobs, await self.desk.send("GET", "/imports", self.person, query=query))

    async def job(self, job_id: UUID) -> ImportJob:
        return self._read(ImportJob, await self.desk.send("GET", f"/imports/{job_id}", self.person))

    async def rejected(self, job_id: UUID, after: int) -> ImportRows:
        query = {"state": "rejected", "after": after, "limit": _ROWS}
        return self._read(ImportRows, await self.desk.send("GET", f"/imports/{job_id}/rows", self.person, query=query))

    async def rejected_file(self, job_id: UUID) -> httpx.Response:
        return await self.desk.send("GET", f"/imports/{job_id}/rows.csv", self.person, timeout_s=UPLOAD_TIMEOUT_S)

    async def preview(self, file: SentFile) -> ImportPreview:
        path = "/imports/preview"
        answer = await self.desk.send("POST", path, self.person, file=file.part, timeout_s=UPLOAD_TIMEOUT_S)
        return self._read(ImportPreview, answer)

    async def start(self, file: SentFile) -> ImportJob:
        query = {"covers": file.covers} if file.covers else None
        answer = await self.desk.send(
            "POST", "/imports", self.person, query=query, file=file.part, timeout_s=UPLOAD_TIMEOUT_S
        )
        return self._read(ImportJob, answer)

    def _read(self, model: type[A], answer: httpx.Response) -> A:
        try:
            return model.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.desk.unreadable(error) from None
