"""What a consumer asks for within a fetch session, and what its broker makes of it."""

from types import SimpleNamespace
from typing import Any

from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v6, FetchRequest_v11
from hypothesis import given, settings
from hypothesis import strategies as st

from services.kit.messaging.fetch_sessions import FetchSession, SessionFetch

NOT_FOUND, WRONG_EPOCH = 70, 71
MAX_BYTES = 1000


class Broker:
    """As a broker keeps sessions, by KIP-227. `parts`: partition → offset that a fetch reads."""

    def __init__(self, room: bool = True) -> None:
        self.sessions: dict[int, tuple[int, dict[tuple[str, int], int]]] = {}
        self.room, self.named = room, 0
        self.parts: dict[tuple[str, int], int] = {}
        self._last_id = 0

    def fetch(self, request: Any) -> Any:
        told = {(topic, each[0]): each[2] for topic, partitions in request.topics for each in partitions}
        self.named, session_id, epoch = len(told), request.session_id, request.session_epoch
        if epoch == 0:
            self.sessions.pop(session_id, None)
            self.parts = told
            if not self.room:
                return SimpleNamespace(error_code=0, session_id=0)
            self._last_id += 1
            self.sessions[self._last_id] = (1, told)
            return SimpleNamespace(error_code=0, session_id=self._last_id)
        self.parts = {}
        if session_id not in self.sessions:
            return SimpleNamespace(error_code=NOT_FOUND, session_id=0)
        expected, known = self.sessions[session_id]
        if epoch != expected:
            return SimpleNamespace(error_code=WRONG_EPOCH, session_id=0)
        gone = {(topic, number) for topic, numbers in request.forgotten_topics_data for number in numbers}
        assert gone <= known.keys()
        self.parts = {part: at for part, at in {**known, **told}.items() if part not in gone}
        self.sessions[session_id] = (epoch + 1, self.parts)
        return SimpleNamespace(error_code=0, session_id=session_id)


def request_of(wanted: dict[tuple[str, int], int]) -> FetchRequest:
    topics: dict[str, list[tuple[int, int, int]]] = {}
    for (topic, number), offset in wanted.items():
        topics.setdefault(topic, []).append((number, offset, MAX_BYTES))
    return FetchRequest(500, 1, 10_000, 0, list(topics.items()))


def ask(session: FetchSession, broker: Broker, wanted: dict[tuple[str, int], int], *, lost: bool = False) -> Any:
    request = SessionFetch(request_of(wanted), session)
    response = broker.fetch(request.build(FetchRequest_v11))
    if not lost:
        session.answered(response)
    return response


WANTED = st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3)), st.integers(0, 2))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(WANTED, st.sampled_from(["", "", "", "answer lost", "broker restarts", "no room"])), max_size=12)
)
def test_a_broker_that_answers_reads_exactly_what_is_wanted_whatever_came_before(
    fetches: list[tuple[dict[tuple[str, int], int], str]],
) -> None:
    session, broker = FetchSession(), Broker()
    for wanted, event in fetches:
        if event == "broker restarts":
            broker.sessions.clear()
        broker.room = event != "no room"
        response = ask(session, broker, wanted, lost=event == "answer lost")
        if response.error_code:
            assert broker.parts == {}
            response = ask(session, broker, wanted)
        assert not response.error_code
        assert broker.parts == wanted
        lost = sum(each == "answer lost" for _, each in fetches)
        assert len(broker.sessions) <= 1 + lost, "one is closed when the next begins, if its name was told"


def test_a_fetch_names_only_what_has_changed() -> None:
    session, broker = FetchSession(), Broker()
    wanted = {("a", number): 0 for number in range(48)}
    ask(session, broker, wanted)
    assert broker.named == 48
    ask(session, broker, wanted)
    assert broker.named == 0
    ask(session, broker, {**wanted, ("a", 7): 1})
    assert broker.named == 1


def test_a_new_assignment_is_asked_for_whole() -> None:
    session, broker = FetchSession(), Broker()
    wanted = {("a", number): 0 for number in range(48)}
    ask(session, broker, wanted)
    session.begin_anew()
    ask(session, broker, wanted)
    assert (broker.named, len(broker.sessions)) == (48, 1)


def test_a_broker_without_sessions_is_asked_as_before() -> None:
    request = SessionFetch(request_of({("a", 1): 5}), FetchSession())
    assert request.build(FetchRequest_v6) == request_of({("a", 1): 5}).build(FetchRequest_v6)
    assert request.topics == [("a", [(1, 5, MAX_BYTES)])]


def test_epochs_start_over_before_they_overflow() -> None:
    session = FetchSession()
    ask(session, Broker(), {("a", 1): 0})
    session._epoch = 2**31 - 1
    request = SessionFetch(request_of({("a", 1): 0}), session).build(FetchRequest_v11)
    session.answered(SimpleNamespace(error_code=0, session_id=request.session_id))
    assert SessionFetch(request_of({("a", 1): 0}), session).build(FetchRequest_v11).session_epoch == 1
