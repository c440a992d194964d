"""A service's operator port over HTTP, for a person."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx
import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gateway.settings import DeskAddress
from services.gateway.staff.desk.desk_client import DeskClient, DeskRefused, DeskUnavailable
from services.gateway.staff.operating.answers import (
    DeadLetterContent,
    DeadLetters,
    Finding,
    FormKey,
    Health,
    Published,
)
from services.kit.http.operators.audit_routes import AuditPage, AuditQuery
from services.kit.http.operators.token_routes import TokenAnswer
from services.kit.messaging.audit_heads.api import ChainAnswer
from services.kit.signing.inventory import SigningInventory

_TIMEOUT_S: Final = 3.0
_CHAIN_TIMEOUT_S: Final = 60.0
_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:{(.*)})? ([0-9.eE+-]+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_findings: Final = TypeAdapter(tuple[Finding, ...])
_tokens: Final = TypeAdapter(tuple[TokenAnswer, ...])
_form_keys: Final = TypeAdapter(tuple[FormKey, ...])
_log = structlog.get_logger(__name__)
A = TypeVar("A", bound=BaseModel)
L = TypeVar("L")


@dataclass(frozen=True, slots=True)
class Sample:
    """Of a metric, as Prometheus reads it."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class OperatedService:
    """Methods raise `DeskUnavailable`. `person` is what the service's audit names."""

    name: str
    http: httpx.AsyncClient
    address: DeskAddress
    _api: DeskClient = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_api", DeskClient(self.name, self.http, self.address))

    async def health(self) -> Health:
        """Also of a service that is not ready."""
        return self._read(Health, await self._get("/health/ready", (200, 503)))

    async def gauges(self, *names: str) -> dict[str, float]:
        """Sums over the labels; what is not measured is absent."""
        return gauges_in((await self._get("/metrics", (200,))).text, names)

    async def samples(self, names: Collection[str]) -> tuple[Sample, ...]:
        return samples_in((await self._get("/metrics", (200,))).text, names)

    async def dead_letters(self, person: str, *, ended: bool = False, after: int = 0) -> DeadLetters:
        query = {"state": "ended" if ended else "open", "after": after}
        return self._read(DeadLetters, await self._api.send("GET", "/dead-letters", person, query=query))

    async def dead_letter(self, person: str, number: int) -> DeadLetterContent | None:
        try:
            answer = await self._api.send("GET", f"/dead-letters/{number}", person)
        except DeskRefused as refused:
            if refused.status == 404:
                return None
            raise
        return self._read(DeadLetterContent, answer)

    async def replay(self, person: str, number: int) -> None:
        """Raises `DeskRefused` besides."""
        await self._api.send("POST", f"/dead-letters/{number}/replay", person)

    async def discard(self, person: str, number: int, why: str) -> None:
        """Raises `DeskRefused` besides."""
        await self._api.send("POST", f"/dead-letters/{number}/discard", person, {"why": why})

    async def comparisons(self, person: str) -> tuple[Finding, ...]:
        """Of the clearance."""
        return self._listed(_findings, await self._api.send("GET", "/reconciliation", person))

    async def keys(self, person: str) -> SigningInventory:
        return self._read(SigningInventory, await self._api.send("GET", "/keys", person))

    async def form_keys(self, person: str) -> tuple[FormKey, ...]:
        """Of the clearance."""
        return self._listed(_form_keys, await self._api.send("GET", "/form-keys", person))

    async def tokens(self, person: str) -> tuple[TokenAnswer, ...]:
        return self._listed(_tokens, await self._api.send("GET", "/tokens", person))

    async def audit(self, person: str, query: AuditQuery) -> AuditPage:
        body = query.model_dump(mode="json", exclude_none=True)
        return self._read(AuditPage, await self._api.send("POST", "/audit/query", person, body))

    async def chain(self, person: str) -> ChainAnswer:
        """Reads the whole audit."""
        answer = await self._api.send("POST", "/audit/verify", person, timeout_s=_CHAIN_TIMEOUT_S)
        return self._read(ChainAnswer, answer)

    async def published(self, person: str, student_id: str) -> Published:
        """Of a department."""
        answer = await self._api.send("POST", "/statuses/query", person, {"student_id": student_id})
        return self._read(Published, answer)

    async def _get(self, path: str, expected: Iterable[int]) -> httpx.Response:
        """Needs no token."""
        try:
            answer = await self.http.get(f"{self.address.address}{path}", timeout=_TIMEOUT_S)
        except httpx.HTTPError as error:
            _log.warning("desk.failed", department=self.name, error=type(error).__name__)
            raise DeskUnavailable(self.name) from error
        if answer.status_code not in expected:
            raise DeskUnavailable(self.name)
        return answer

    def _read(self, kind: type[A], answer: httpx.Response) -> A:
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError as error:
            raise self._api.unreadable(error) from None

    def _listed(self, kind: TypeAdapter[L], answer: httpx.Response) -> L:
        try:
            return kind.validate_json(answer.content)
        except ValidationError as error:
            raise self._api.unreadable(error) from None


def gauges_in(text: str, names: Collection[str]) -> dict[str, float]:
    """`text`: as Prometheus reads it. What is no number counts as none."""
    found: dict[str, float] = {}
    for sample in samples_in(text, names):
        found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def samples_in(text: str, names: Collection[str]) -> tuple[Sample, ...]:
    return tuple(
        Sample(name, dict(_LABEL.findall(labels)), float(value))
        for name, labels, value in _SAMPLE.findall(text)
        if name in names
    )


class OperatedServices:
    """In the order of the configuration."""

    def __init__(self, http: httpx.AsyncClient, addresses: Mapping[str, DeskAddress]) -> None:
        self.services = tuple(OperatedService(name, http, address) for name, address in addresses.items())

    def find(self, name: str) -> OperatedService | None:
        return next((one for one in self.services if one.name == name), None)
