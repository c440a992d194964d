"""A kept answer is found by an equal input only, and what is kept is bounded."""

from services.gateway.web.kept_answers import KeptAnswer, KeptAnswers


def answer(*pieces: bytes) -> KeptAnswer:
    return KeptAnswer(pieces)


def test_an_answer_is_used_again_for_an_equal_input_and_for_no_other() -> None:
    kept = KeptAnswers()
    kept.put("page", ("clear", [1]), answer(b"answer"))
    assert kept.get("page", ("clear", [1])) == answer(b"answer")
    assert kept.get("page", ("blocked", [1])) is None
    assert kept.get("twin", ("clear", [1])) is None


def test_a_newer_answer_takes_the_place_of_the_one_under_its_key() -> None:
    kept = KeptAnswers()
    kept.put("page", 1, answer(b"old"))
    kept.put("page", 2, answer(b"newer", b"!"))
    assert kept.get("page", 1) is None
    assert kept.get("page", 2) == answer(b"newer", b"!")
    assert kept.size == 6


def test_the_least_recently_used_answers_make_room() -> None:
    kept = KeptAnswers(max_bytes=10)
    kept.put("a", 1, answer(b"aaaa"))
    kept.put("b", 1, answer(b"bbbb"))
    assert kept.get("a", 1)
    kept.put("c", 1, answer(b"cccc"))
    assert [name for name in "abc" if kept.get(name, 1)] == ["a", "c"]
    assert kept.size == 8


def test_an_answer_larger_than_the_bound_is_not_kept() -> None:
    kept = KeptAnswers(max_bytes=10)
    kept.put("a", 1, answer(b"a" * 11))
    assert (kept.get("a", 1), kept.size) == (None, 0)
