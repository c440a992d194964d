"""Requests to the identity provider: bounded in time, size, count, and going nowhere but where they were sent."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import httpx

from services.gateway.refusals import ProviderUnavailable, Unavailability

RESPONSE_BYTES_MAX = 262_144
CACHE_LIFETIME_S = 3600.0
REFRESH_PAUSE_S = 5.0

T = TypeVar("T")


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    timeout_s: float,
    form: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> tuple[int, object]:
    """One request: its status and its JSON, None where an error's body is something else.

    No redirect is followed, and the whole of it fits the time and the size allowed. Raises `ProviderUnavailable`.
    """
    # Uncompressed, so that the bound on the size holds for what is read and for what it means.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with asyncio.timeout(timeout_s):
            request = http.build_request(method, url, data=form, headers=headers, timeout=timeout_s)
            response = await http.send(request, auth=auth, stream=True, follow_redirects=False)
            try:
                return response.status_code, await _document(response)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        raise ProviderUnavailable(Unavailability.TIMED_OUT) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise ProviderUnavailable(Unavailability.UNREACHABLE) from None


async def _document(response: httpx.Response) -> object:
    """The JSON of a response, or None when an error's body is something else. Raises `ProviderUnavailable`."""
    if 300 <= response.status_code < 400:
        raise ProviderUnavailable(Unavailability.REDIRECTED)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > RESPONSE_BYTES_MAX:
            raise ProviderUnavailable(Unavailability.TOO_LARGE)
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        if response.status_code == 200:
            raise ProviderUnavailable(Unavailability.NOT_JSON) from None
        return None
    return document


class Cached(Generic[T]):
    """A value loaded when asked for and kept for `CACHE_LIFETIME_S`.

    Callers that come together share one load. After a failed load, and between forced ones, `REFRESH_PAUSE_S` pass,
    so that neither a dead provider nor a flood of strange tokens makes a flood of requests.
    """

    def __init__(self, load: Callable[[], Awaitable[T]], monotonic: Callable[[], float]) -> None:
        self._load = load
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._held: tuple[T, float] | None = None
        self._failed: tuple[Unavailability, float] | None = None

    async def get(self) -> T:
        """The value, loaded when there is none or it is too old. Raises `ProviderUnavailable`."""
        if (value := self._fresh()) is not None:
            return value
        async with self._lock:
            value = self._fresh()
            return value if value is not None else await self._reload()

    async def newer_than(self, seen: T) -> T:
        """A value loaded after `seen` was, or `seen` itself within the pause. Raises `ProviderUnavailable`."""
        async with self._lock:
            if self._held is not None and self._held[0] is not seen:
                return self._held[0]
            if self._held is not None and self._monotonic() < self._held[1] + REFRESH_PAUSE_S:
                return seen
            return await self._reload()

    def _fresh(self) -> T | None:
        if self._held is None or self._monotonic() >= self._held[1] + CACHE_LIFETIME_S:
            return None
        return self._held[0]

    async def _reload(self) -> T:
        if self._failed is not None and self._monotonic() < self._failed[1] + REFRESH_PAUSE_S:
            raise ProviderUnavailable(self._failed[0])
        try:
            value = await self._load()
        except ProviderUnavailable as error:
            self._failed = (error.reason_code, self._monotonic())
            raise
        self._held, self._failed = (value, self._monotonic()), None
        return value
