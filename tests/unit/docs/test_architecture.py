"""The architecture page stays true: its call trees are the code's, and its folders exist."""

import re

import pytest

from tests.support.paths import ROOT
from tests.unit.docs.call_tree import PAGE, Line, faults, functions, trees, visited

TEXT = PAGE.read_text("utf-8")
TREES = trees(TEXT)
FOLDERS = re.findall(r"^\| `([a-z0-9_/]+)/?`", TEXT, re.MULTILINE)


@pytest.mark.parametrize("tree", TREES, ids=["event", "submission"])
def test_each_step_is_reached_from_the_one_it_stands_under(tree: list[Line]) -> None:
    assert "\n".join(faults(tree)) == ""


def test_every_file_that_a_step_calls_is_drawn_or_named() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", TEXT.partition("Not drawn:")[2].partition("\n")[0]))
    steps = [line for tree in TREES for line in tree if not line.hop]
    drawn = {line.file for line in steps}
    missing = {f"{line} calls {file}" for line in steps for file in visited(line) if file not in drawn | named}
    assert sorted(missing) == [], "docs/architecture.md: draw the file below its caller, or add it to `Not drawn:`"
    assert sorted(named & drawn) == []


def test_the_event_goes_from_a_desk_to_a_page() -> None:
    files = [line.file for line in TREES[0] if not line.hop]
    assert files[0] == "kit/department/api/desk_routes.py"
    assert files[-1] == "gateway/case/live/stream.py"


def test_a_walk_is_read_in_a_minute() -> None:
    assert all(len(tree) <= 60 for tree in TREES), "one line a second"


def _one(caller: str, called: str) -> list[str]:
    lines = f"{caller}  kit/department/tables/record_store.py  x\n  {called}  kit/messaging/outbox.py  x\n"
    return faults(trees(f"```text walk\n{lines}```\n")[0])


def test_a_step_its_caller_does_not_reach_is_found() -> None:
    assert _one("RecordStore.save", "columns") == []
    assert "no longer reaches" in _one("RecordStore.lock", "append")[0]
    assert "no such function" in _one("RecordStore.save", "no_such_function")[0]


def test_a_hop_over_a_topic_nobody_reads_is_found() -> None:
    lines = "Desk.change_in  kit/department/desk.py\n~ topic no_such_topic\nnotify  clearance/notify.py\n"
    assert len(faults(trees(f"```text walk\n{lines}```\n")[0])) == 2


def test_a_function_inside_a_function_has_a_qualified_name() -> None:
    assert "event_decoder.decode" in functions(ROOT / "services" / "kit" / "messaging" / "handlers.py")


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


def test_each_room_has_its_row() -> None:
    rooms = {
        path.parent.relative_to(ROOT).as_posix()
        for service in ("kit", "clearance", "gateway", "notices")
        for path in (ROOT / "services" / service).glob("*/__init__.py")
    }
    assert len(rooms) > 15
    assert sorted(rooms - set(FOLDERS)) == [], "docs/architecture.md, Folders: say what the new room holds"
