"""docs/recovery.md has the commands that the drill runs, and no other."""

import re

from tests.drill.__main__ import BEGIN, END, HEAD
from tests.drill.events import EVENTS
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "recovery.md").read_text("utf-8")


def test_every_command_of_the_page_is_run_by_an_event_and_every_event_s_command_is_on_the_page() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = {line for block in blocks for line in block.splitlines()}
    assert shown == {command for event in EVENTS for command in event.commands}


def test_the_table_has_a_row_of_each_event_with_what_notices_and_what_heals_it() -> None:
    table = PAGE.partition(BEGIN)[2].partition(END)[0]
    assert table.startswith(HEAD)
    rows = [line.strip("| ").split(" | ") for line in table.removeprefix(HEAD).splitlines()]
    assert [(name, breaks, noticed_by, healed_by) for name, breaks, _, noticed_by, _, healed_by in rows] == [
        (event.name, event.breaks, str(event.signal or "-"), event.healed_by) for event in EVENTS
    ], "python -m tests.drill --write"
