"""Lists that arrive after the launch: one after the other, each said in words."""

import io

from rich.console import Console

from deploy.demo.late_lists import LateLists
from services.kit.manifests import DepartmentManifest, discover

DEPARTMENTS = discover()


class Late:
    """Late lists over a clock that the test moves."""

    def __init__(self, *names: str) -> None:
        self.now_s, self.loaded = 0.0, list[str]()
        self.output = io.StringIO()
        departments: list[DepartmentManifest] = [DEPARTMENTS[name] for name in names]
        console = Console(file=self.output, width=200)
        self.lists = LateLists(departments, self.load, console, every_s=20, clock=lambda: self.now_s)

    def load(self, name: str) -> int:
        self.loaded.append(name)
        return 87

    def at(self, now_s: float) -> list[str]:
        self.now_s = now_s
        self.lists.load_due()
        return self.loaded


def test_each_list_arrives_in_its_turn_and_once() -> None:
    late = Late("dorm", "finance")
    assert late.lists.waiting == {"dorm", "finance"}
    assert late.at(19.9) == []
    assert late.at(20) == ["dorm"]
    assert late.lists.waiting == {"finance"}
    assert late.at(39.9) == ["dorm"]
    assert late.at(40) == late.at(80) == ["dorm", "finance"]
    assert late.lists.waiting == frozenset()


def test_who_is_late_and_what_has_arrived_is_said_in_words() -> None:
    late = Late("finance")
    assert "财务处收费管理办公室" in late.output.getvalue()
    assert "待同步" in late.output.getvalue()
    late.at(20)
    assert "财务处收费管理办公室 (finance): the list has arrived, 87 rows" in late.output.getvalue()


def test_nothing_is_said_when_nothing_is_late() -> None:
    late = Late()
    assert late.at(100) == []
    assert late.output.getvalue() == ""
