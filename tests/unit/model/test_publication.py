"""A department's database from a backup leads no reader astray, and its floor shows the student again."""

from tests.support.model.publication import Publication, State, shows_it, shows_what_is_on_record
from tests.support.model.search import search


def test_a_reader_shows_what_is_on_record_in_every_state() -> None:
    found = search(State(), Publication().steps, {"right": shows_what_is_on_record, "shown": shows_it})
    assert (found.broken, found.trace) == (None, ())
    assert found.states > 50


def test_without_the_floor_a_restored_department_is_hidden() -> None:
    found = search(State(), Publication(floor=False).steps, {"shown": shows_it})
    assert found.broken == "shown"
    assert len(found.trace) <= 6, found.trace
