"""Records no reader should have to expect: the student's item says that it is unreadable, everybody else goes on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.installation import Installation, new_student_id
from schemas.flows import CLEARANCE, source_of
from services.kit.messaging.relaying.producer import partition_of
from services.kit.names import OPERATOR
from tests.support.gateway.server import sign_in
from tests.support.kafka.topics import Producer, RawHeaders
from tests.support.waiting import eventually
from tests.system.test_walk import PAGE_POLL_S, checks, line_of

PARTITIONS = 6
JSON_HEADERS: RawHeaders = (("content-type", b"application/cloudevents+json"),)


def document(student_id: str, **changes: Any) -> dict[str, Any]:
    """The library's second word on a student, as its event."""
    data = {
        "student_id": student_id,
        "department": "library",
        "version": 2,
        "occurred_at": datetime.now(UTC).isoformat(),
        "cause": {"code": "record-replaced"},
        "checks": [
            {"check": "borrowing", "verdict": "clear", "reasons": [], "facts": {}},
            {"check": "thesis", "verdict": "clear", "reasons": [], "facts": {}},
        ],
    }
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source_of("library"),
        "type": "lixiao.status-changed.v1",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {**data, **changes},
    }


def encoded(student_id: str, **changes: Any) -> bytes:
    return json.dumps(document(student_id, **changes)).encode()


def said_twice(student_id: str) -> bytes:
    """One document with two verdicts in it: which holds depends on the reader."""
    return encoded(student_id).replace(b'"verdict": "clear"', b'"verdict": "blocked", "verdict": "clear"', 1)


def with_facts(student_id: str, facts: str) -> bytes:
    return encoded(student_id).replace(b'"facts": {}', f'"facts": {facts}'.encode(), 1)


UNREADABLE: Mapping[str, Callable[[str], bytes | None]] = {
    "bad JSON": lambda student: encoded(student)[:-3],
    "no JSON at all": lambda student: b"\x00\x01\x02",
    "another schema": lambda student: encoded(student, checks="every one"),
    "a field of the contract missing": lambda student: encoded(student).replace(b'"cause"', b'"cuase"'),
    "an unknown verdict": lambda student: encoded(student).replace(b'"clear"', b'"probably"', 1),
    "an unknown event": lambda student: encoded(student).replace(b"status-changed", b"status-guessed"),
    "900 kB": lambda student: with_facts(student, json.dumps({"note": "x" * 900_000})),
    "no value": lambda student: None,
    "bad UTF-8": lambda student: with_facts(student, '{"note": "?"}').replace(b'"?"', b'"\xff\xfe"'),
    "deep nesting": lambda student: with_facts(student, '{"a": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "a key said twice": said_twice,
    "NaN": lambda student: with_facts(student, '{"amount": NaN}'),
    "version 2^31": lambda student: encoded(student, version=2**31),
    "version 0": lambda student: encoded(student, version=0),
    "another department's word": lambda student: encoded(student, department="finance"),
    "another student's word": lambda student: encoded(new_student_id()),
}


@dataclass(frozen=True)
class Neighbours:
    """Two students of one partition: what is said of one must not hold up the other."""

    poisoned: str
    other: str


@pytest.fixture
async def neighbours(installation: Installation) -> Neighbours:
    one, other = new_student_id(), new_student_id()
    while partition_of(other.encode(), PARTITIONS) != partition_of(one.encode(), PARTITIONS):
        other = new_student_id()
    for student_id in (one, other):
        await installation.enrol(student_id)
    await installation.opened("library", [one, other])
    await installation.in_step("library", students=[one, other])
    return Neighbours(one, other)


async def flows_on(installation: Installation, student_id: str) -> None:
    """A later word on another student of the same partition arrives."""
    await installation.put("library", student_id, {"card": "cancelled", "thesis": "approved"})
    version = (await installation.published("library"))[student_id][0]

    async def arrived() -> bool:
        return (await installation.viewed("library"))[student_id][0] == version

    await eventually(arrived, what="the word on the other student")


async def readable(installation: Installation, student_id: str) -> bool:
    answer: bool = await (await installation.database(CLEARANCE)).fetchval(
        "SELECT readable FROM published.status_v1 WHERE student_id = $1 AND department = 'library'", student_id
    )
    return answer


async def letter_at(installation: Installation, place: Any) -> Mapping[str, Any] | None:
    """The open dead letter of a record, as an operator's list shows it."""
    letters: list[Mapping[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = (await installation.client(CLEARANCE, OPERATOR).get(f"/dead-letters?limit=200&after={after}")).json()
        letters += page["dead_letters"]
        after = page["next_after"]
    where = (place.topic, place.partition, place.offset)
    return next((one for one in letters if (one["topic"], one["partition"], one["offset"]) == where), None)


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_what_cannot_be_read_hides_one_item_and_holds_up_nobody(
    installation: Installation, neighbours: Neighbours, kind: str
) -> None:
    value = UNREADABLE[kind](neighbours.poisoned)
    async with Producer(installation.kafka) as producer:
        topic = installation.topics.status("library")
        place = await producer.send(topic, neighbours.poisoned.encode(), value, JSON_HEADERS)
    await flows_on(installation, neighbours.other)
    assert not await readable(installation, neighbours.poisoned)
    assert await readable(installation, neighbours.other)
    letter = await letter_at(installation, place)
    assert letter is not None
    assert letter["bytes"] == (None if value is None else len(value))
    assert neighbours.poisoned not in letter["reason"]
    version, _ = (await installation.viewed("library"))[neighbours.poisoned]
    assert version == 1, "what was known stays known, and is not shown as true"


@pytest.mark.parametrize("key", [b"\xff\xfe\xfd", b"", b":nobody", b"x" * 300], ids=repr)
async def test_a_record_under_no_students_key_hides_nothing_and_is_kept(
    installation: Installation, neighbours: Neighbours, key: bytes
) -> None:
    partition = partition_of(neighbours.other.encode(), PARTITIONS)
    async with Producer(installation.kafka) as producer:
        value = encoded(neighbours.poisoned)
        place = await producer.send(installation.topics.status("library"), key, value, JSON_HEADERS, partition)
    await flows_on(installation, neighbours.other)
    assert await letter_at(installation, place) is not None
    assert await readable(installation, neighbours.poisoned)
    assert (await installation.viewed("library"))[neighbours.poisoned][0] == 1


@pytest.mark.parametrize(
    "headers",
    [(("note", None),), (("content-type", None),), (("traceparent", b"\xff\xfe"),), (("traceparent", b"00-0-0-01"),)],
    ids=repr,
)
async def test_a_header_that_is_null_or_no_text_takes_nothing_from_a_good_word(
    installation: Installation, neighbours: Neighbours, headers: RawHeaders
) -> None:
    async with Producer(installation.kafka) as producer:
        student = neighbours.poisoned
        await producer.send(installation.topics.status("library"), student.encode(), encoded(student), headers)
    await flows_on(installation, neighbours.other)
    assert (await installation.viewed("library"))[neighbours.poisoned][0] == 2
    assert await readable(installation, neighbours.poisoned)


async def test_a_header_whose_name_is_no_text_stops_nobody(installation: Installation, neighbours: Neighbours) -> None:
    student = neighbours.poisoned
    async with Producer(installation.kafka) as producer:
        topic = installation.topics.status("library")
        await producer.send_with_header_named(b"\xff\xfe\xfd", topic, student.encode(), encoded(student))
    await flows_on(installation, neighbours.other)
    assert (await installation.viewed("library"))[student][0] == 2
    assert await readable(installation, student)


async def test_the_page_says_unreadable_until_an_operator_ends_the_dead_letter(installation: Installation) -> None:
    first, second = installation.person(), installation.person()
    for person in (first, second):
        await installation.enrol(person.student_id or "")
        await installation.put("library", person.student_id or "", {"card": "cancelled", "thesis": "approved"})
    students = [first.student_id or "", second.student_id or ""]
    await installation.opened("library", students)
    await installation.in_step("library", students=students)
    places = []
    async with Producer(installation.kafka) as producer:
        for person in (first, second):
            key = (person.student_id or "").encode()
            places.append(await producer.send(installation.topics.status("library"), key, b"{}", JSON_HEADERS))
    browser = await sign_in(installation, first)
    await eventually(lambda: says(browser, "waiting"), what="the item to be unreadable", poll_s=PAGE_POLL_S)
    assert (await checks(browser))["library/borrowing"]["waiting_reason"] == "unreadable"
    line = line_of((await browser.get("/case")).text, "library-borrowing")
    assert "待同步" in line
    assert "无法读取" in line

    letters = [await letter_at(installation, place) for place in places]
    assert all(letters)
    ids = [str(letter["id"]) for letter in letters if letter]
    listed = installation.command(CLEARANCE, "dead-letters", "list", "--limit", "200")
    assert listed.returncode == 0, listed.stderr
    assert installation.topics.status("library") in listed.stdout
    replayed = installation.command(CLEARANCE, "dead-letters", "replay", ids[0])
    assert replayed.returncode == 1, "nobody can read it today either"
    assert "still unreadable" in replayed.stdout
    assert await says(browser, "waiting")
    discarded = installation.command(CLEARANCE, "dead-letters", "discard", ids[0], "--why", "an exercise")
    assert discarded.returncode == 0, discarded.stdout + discarded.stderr
    await eventually(lambda: says(browser, "clear"), what="the item to be what was known", poll_s=PAGE_POLL_S)
    await browser.close()

    browser = await sign_in(installation, second)
    await eventually(lambda: says(browser, "waiting"), what="the other's item to be unreadable", poll_s=PAGE_POLL_S)
    await installation.put("library", second.student_id or "", {"card": "cancelled", "thesis": "returned"})
    await eventually(lambda: says(browser, "clear"), what="a later readable word to end the doubt", poll_s=PAGE_POLL_S)
    await browser.close()


async def test_a_letter_that_todays_code_reads_is_applied_where_it_stood(
    installation: Installation, neighbours: Neighbours
) -> None:
    student = neighbours.poisoned
    async with Producer(installation.kafka) as producer:
        place = await producer.send(installation.topics.status("library"), student.encode(), b"unread", JSON_HEADERS)
    await flows_on(installation, neighbours.other)
    letter = await letter_at(installation, place)
    assert letter is not None
    # What newer code would make of the bytes that older code could not read.
    await (await installation.database(CLEARANCE)).execute(
        "UPDATE dead_letter SET value = $2 WHERE id = $1", letter["id"], encoded(student)
    )
    replayed = await installation.client(CLEARANCE, OPERATOR).post(f"/dead-letters/{letter['id']}/replay")
    assert replayed.status_code == 204, replayed.text
    assert await letter_at(installation, place) is None
    assert await readable(installation, student)
    assert (await installation.viewed("library"))[student][0] == 2


async def says(browser: Any, state: str) -> bool:
    """Whether the library's line on borrowing is in this state."""
    found: bool = (await checks(browser))["library/borrowing"]["state"] == state
    return found
