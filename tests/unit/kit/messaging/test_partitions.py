"""Which partition a student's events go to: the one every other client of Kafka would choose."""

import random

from aiokafka.partitioner import murmur2 as reference

from services.kit.messaging.relaying.producer import murmur2, partition_of


def test_the_hash_is_that_of_every_client_for_keys_of_any_length() -> None:
    chance = random.Random(1)
    for length in range(70):
        for _ in range(50):
            key = chance.randbytes(length)
            assert murmur2(key) == reference(key) & 0xFFFFFFFF


def test_known_students_go_where_javas_client_sends_them() -> None:
    # From the tests of Java's client (UtilsTest.testMurmur2), as signed 32-bit numbers.
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    assert {key: murmur2(key) for key in known} == {key: value & 0xFFFFFFFF for key, value in known.items()}


def test_a_partition_is_one_of_those_there_are() -> None:
    assert {partition_of(f"TS{number}".encode(), 6) for number in range(1000)} == set(range(6))
