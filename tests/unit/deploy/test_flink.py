"""The committed SQL of the Flink job is made of the projector's own statement."""

from deploy.flink.guard import FILE, guard


def test_the_guard_is_the_projectors_statement_as_it_is_now() -> None:
    assert FILE.read_text("utf-8") == guard(), "python -m deploy.flink.guard makes it again"
