"""A department's desk over HTTP, as the service of the staff's pages, for a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog
from pydantic import ValidationError

from services.gateway.settings import DeskAddress
from services.gateway.staff.desk.desk_answers import (
    DeskOperation,
    DeskRecord,
    History,
    HistoryEntry,
    Note,
    Notes,
    operation_list,
)
from services.kit.audit.log import CLIENT_ADDRESS
from services.kit.http.access.acting_for import acting_for
from services.kit.observability.telemetry import trace_headers
from services.kit.secret_files import NoSecret

_TIMEOUT_S: Final = 10.0
_REFUSED: Final = (400, 404, 409, 413, 415, 422, 423, 429)
_SLOWED: Final = ("too-many-requests", "too-many-wrong-tokens")
"""Of the gateway, whatever it asks: no answer to what this person did."""
_log = structlog.get_logger(__name__)


class DeskUnavailable(Exception):
    """It has no address, does not answer, or does not know the gateway, or takes no more requests of it now.

    What was asked may have been done.
    """


@dataclass(frozen=True, slots=True)
class FieldError:
    """`field` is a name in the body, empty for the whole."""

    field: str
    problem: str


class DeskRefused(Exception):
    """Nothing was done."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("type", status)))
        self.status = status
        self.slug = str(problem.get("type", "")).rpartition(":")[2]
        self.title = str(problem.get("title") or "")
        self.detail = str(problem.get("detail") or problem.get("title") or "")
        self.detail_zh = str(problem.get("detail_zh") or "")
        self.errors = tuple(
            FieldError(str(one.get("field") or "").rpartition("/")[2], str(one.get("problem") or ""))
            for one in problem.get("errors", ())
        )


@dataclass(slots=True)
class DeskClient:
    """Methods raise `DeskUnavailable`. `person` is what the department's audit names."""

    department: str
    http: httpx.AsyncClient
    desk: DeskAddress | None
    _operations: tuple[DeskOperation, ...] = field(default=(), init=False)

    async def operations(self, person: str) -> tuple[DeskOperation, ...]:
        """Read once: they change with the department's code."""
        if not self._operations:
            answer = await self.send("GET", "/operations", person)
            try:
                self._operations = operation_list.validate_json(answer.content)
            except ValidationError as error:
                raise self.unreadable(error) from None
        return self._operations

    async def record(self, person: str, student_id: str) -> DeskRecord:
        """Raises `DeskRefused` besides, for what is no number here."""
        return self._record(await self.send("POST", "/records/query", person, {"student_id": student_id}))

    async def history(self, person: str, student_id: str) -> tuple[HistoryEntry, ...]:
        answer = await self.send("POST", "/records/history", person, {"student_id": student_id})
        try:
            return History.model_validate_json(answer.content).entries
        except ValidationError as error:
            raise self.unreadable(error) from None

    async def notes(self, person: str, student_id: str) -> tuple[Note, ...]:
        """None of a department from before there were notes: an upgrade replaces one service after the other."""
        try:
            return self._notes(await self.send("POST", "/notes/query", person, {"student_id": student_id}))
        except DeskRefused as refused:
            if refused.status == 404:
                return ()
            raise

    async def write_note(self, person: str, student_id: str, text: str, key: str) -> None:
        """Once for `key`. Raises `DeskRefused` besides."""
        body = {"student_id": student_id, "text": text}
        await self.send("POST", "/notes", person, body, {"Idempotency-Key": key})

    async def operate(self, person: str, operation: str, body: Mapping[str, Any], key: str) -> DeskRecord:
        """Once for `key`. Raises `DeskRefused` besides."""
        headers = {"Idempotency-Key": key}
        return self._record(await self.send("POST", f"/operations/{operation}", person, body, headers))

    async def take_back(self, person: str, student_id: str, entry_id: int, reason: str, key: str) -> DeskRecord:
        """Once for `key`. Raises `DeskRefused` besides."""
        body = {"student_id": student_id, "entry_id": entry_id, "reason": reason}
        return self._record(await self.send("POST", "/records/undo", person, body, {"Idempotency-Key": key}))

    def _notes(self, answer: httpx.Response) -> tuple[Note, ...]:
        try:
            return Notes.model_validate_json(answer.content).notes
        except ValidationError as error:
            raise self.unreadable(error) from None

    def _record(self, answer: httpx.Response) -> DeskRecord:
        try:
            return DeskRecord.model_validate_json(answer.content)
        except ValidationError as error:
            raise self.unreadable(error) from None

    async def send(
        self,
        method: str,
        path: str,
        person: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        file: tuple[str, bytes, str] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> httpx.Response:
        """`file`: name, content and media type, in place of a `body`. Raises `DeskRefused` besides."""
        if self.desk is None:
            raise DeskUnavailable(self.department)
        sent = {
            "Authorization": f"Bearer {self._token(self.desk)}",
            **acting_for(person, CLIENT_ADDRESS.get()),
            **trace_headers(),
            **(headers or {}),
        }
        try:
            answer = await self.http.request(
                method,
                f"{self.desk.address}{path}",
                json=body,
                files={"file": file} if file else None,
                params=query,
                headers=sent,
                timeout=timeout_s,
            )
        except httpx.HTTPError as error:
            _log.warning("desk.failed", department=self.department, error=type(error).__name__)
            raise DeskUnavailable(self.department) from error
        if answer.is_success:
            return answer
        if answer.status_code in _REFUSED:
            refused = DeskRefused(answer.status_code, _problem(answer))
            if refused.slug not in _SLOWED:
                raise refused
        _log.warning("desk.failed", department=self.department, error=str(answer.status_code))
        raise DeskUnavailable(self.department)

    def _token(self, desk: DeskAddress) -> str:
        try:
            return desk.bearer()
        except NoSecret as error:
            _log.warning("desk.failed", department=self.department, error=type(error).__name__)
            raise DeskUnavailable(self.department) from error

    def unreadable(self, error: ValidationError) -> DeskUnavailable:
        _log.warning("desk.failed", department=self.department, error=type(error).__name__)
        return DeskUnavailable(self.department)


class DeskClients:
    def __init__(self, http: httpx.AsyncClient, desks: Mapping[str, DeskAddress]) -> None:
        self._http = http
        self._desks = desks
        self._clients: dict[str, DeskClient] = {}

    def of(self, department: str) -> DeskClient:
        if department not in self._clients:
            self._clients[department] = DeskClient(department, self._http, self._desks.get(department))
        return self._clients[department]


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
