"""Incremental fetches (KIP-227), pinned with aiokafka_internals.py.

aiokafka names every partition in each fetch and reads as many back, which costs both sides as much as a short batch.
Here the broker remembers what a consumer asked for: a fetch says what has changed, and its answer has what is new.
"""

from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.protocol.fetch import FetchRequest

_FIRST_VERSION: Final = 7
_LAST_EPOCH: Final = 2**31 - 1
Part = tuple[str, int]


class FetchSession:
    """Of one consumer at one broker, which has one fetch at a time. After a fetch without an answer it begins anew."""

    def __init__(self) -> None:
        self._session_id = self._epoch = self._sent_epoch = 0
        self._remembered: dict[Part, Any] = {}
        self._asked: dict[Part, Any] = {}

    def narrow(self, request: Any) -> None:
        """To what the broker does not remember. `request` names all that is to be read."""
        self._asked = {(topic, asked[0]): asked for topic, partitions in request.topics for asked in partitions}
        request.session_id, request.session_epoch = self._session_id, self._epoch
        if self._epoch:
            changed = [(part, asked) for part, asked in self._asked.items() if self._remembered.get(part) != asked]
            # Else it would send again what was read, and stands unread by the application.
            left_out = [(part, part[1]) for part in self._remembered.keys() - self._asked.keys()]
            request.topics, request.forgotten_topics_data = _by_topic(changed), _by_topic(left_out)
        self._sent_epoch, self._epoch = self._epoch, 0

    def begin_anew(self) -> None:
        """The next fetch closes this session."""
        self._epoch = 0

    def answered(self, response: Any) -> None:
        if response.error_code or not response.session_id:
            return  # it knows no such session, or has no room for one
        self._session_id, self._remembered = response.session_id, self._asked
        self._epoch = self._sent_epoch + 1 if self._sent_epoch < _LAST_EPOCH else 1


def _by_topic(parts: Iterable[tuple[Part, Any]]) -> list[tuple[str, list[Any]]]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for (topic, _), told in parts:
        grouped[topic].append(told)
    return list(grouped.items())


class SessionFetch(FetchRequest):  # type: ignore[misc]
    """`request` within `session`: what reads the answer sees the whole request, the broker what has changed."""

    def __init__(self, request: Any, session: FetchSession) -> None:
        self._request, self._session = request, session

    @property
    def topics(self) -> Any:
        return self._request.topics

    def build(self, request_struct_class: Any) -> Any:
        built = self._request.build(request_struct_class)
        if built.API_VERSION >= _FIRST_VERSION:
            self._session.narrow(built)
            built.RESPONSE_TYPE = _Answer(built.RESPONSE_TYPE, self._session)
        return built


class _Answer:
    def __init__(self, answer: Any, session: FetchSession) -> None:
        self._answer, self._session = answer, session

    def decode(self, data: BytesIO) -> Any:
        response = self._answer.decode(data)
        self._session.answered(response)
        return response


class SessionFetcher(fetcher.Fetcher):  # type: ignore[misc]
    _assigned: Any = None
    _sessions: dict[int, FetchSession] | None = None

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        if self._sessions is None:
            self._sessions = {}
        if assignment is not self._assigned:
            # Of partitions that are read anew, where they end is to be told even if nothing is new.
            self._assigned = assignment
            for session in self._sessions.values():
                session.begin_anew()
        session = self._sessions.setdefault(node_id, FetchSession())
        return await super()._proc_fetch_request(assignment, node_id, SessionFetch(request, session))
