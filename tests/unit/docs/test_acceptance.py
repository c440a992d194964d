"""Every line of the acceptance list has a test that says so, and the table in the documentation is made from them."""

from pathlib import Path

from tests.support.acceptance import PAGE, TABLE, lines, shown, table


def test_every_line_has_a_test_and_a_line_a_page_shows_has_one_in_a_browser() -> None:
    everywhere = {one.id for one in shown()}
    in_browser = {one.id for one in shown() if one.level == "browser"}
    assert [line.id for line in lines() if line.id not in everywhere] == []
    assert [line.id for line in lines() if line.where == PAGE and line.id not in in_browser] == []


def test_no_test_shows_a_line_that_is_not_on_the_list() -> None:
    known = {line.id for line in lines()}
    assert [one for one in shown() if one.id not in known] == []


def test_marks_are_read_from_the_source(tmp_path: Path) -> None:
    file = tmp_path / "browser" / "pages" / "test_some.py"
    file.parent.mkdir(parents=True)
    file.write_text('@pytest.mark.acceptance("S-1", "S-2")\nasync def test_a_b() -> None: ...\ndef helper(): ...\n')
    assert [(one.id, one.level, one.file, one.test) for one in shown(tmp_path)] == [
        ("S-1", "browser", "pages/test_some.py", "test_a_b"),
        ("S-2", "browser", "pages/test_some.py", "test_a_b"),
    ]


def test_the_table_in_the_documentation_is_of_today() -> None:
    assert TABLE.read_text("utf-8") == table(), "run python -m tests.support.acceptance"
