"""What the pages tell a reader to type, follow or open exists."""

import re
from pathlib import Path

from deploy.demo.students import invent_students
from deploy.demo.welcome import curl
from tests.support.paths import ROOT
from tests.support.samples.sample_department import NEW

README = (ROOT / "README.md").read_text("utf-8")
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "schemas" / "README.md",
    ROOT / "bench" / "README.md",
]
FILE = re.compile(r"`((?:services|schemas|tools|deploy|tests|bench|config|docs)/[\w/.-]+)(?:: ?[\w.]+)?`")
MODULE = re.compile(r"python -m ((?:services|tools|deploy|bench|tests)(?:\.\w+)*)(?!\.<)")


def test_its_request_to_a_desk_is_the_one_the_demo_prints() -> None:
    first = invent_students(200)[0]
    printed = curl(first.student_id, "http://127.0.0.1:8003", Path(".lixiao/demo/tokens/library"))
    assert re.sub(r"\s+", " ", printed).strip() in re.sub(r"\s+", " ", README)
    assert first.name in README


def test_every_make_target_it_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^(\w+):.*?## ", makefile, re.MULTILINE))
    named = set(re.findall(r"`?make (\w+)", README))
    assert named
    assert named <= targets


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'<img src="([^"]+)"', text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_file_a_page_names_exists() -> None:
    named = {(page.name, path) for page in PAGES for path in FILE.findall(page.read_text("utf-8"))}
    assert len(named) > 50
    missing = [(page, path) for page, path in sorted(named) if not (ROOT / path).exists()]
    assert [one for one in missing if not one[1].startswith(f"services/{NEW}/")] == []


def test_every_command_a_page_names_can_be_run() -> None:
    named = {(page.name, name) for page in PAGES for name in MODULE.findall(page.read_text("utf-8"))}

    def runs(name: str) -> bool:
        if name == f"services.{NEW}":
            return True
        folder = ROOT / name.replace(".", "/")
        return folder.with_suffix(".py").exists() or (folder / "__main__.py").exists()

    assert named
    assert [(page, name) for page, name in sorted(named) if not runs(name)] == []


def test_every_decision_has_its_row() -> None:
    folder = ROOT / "docs" / "decisions"
    rows = re.findall(r"^\| \[(\d{4})\]\(([\w-]+\.md)\) \|", (folder / "README.md").read_text("utf-8"), re.MULTILINE)
    files = sorted(path.name for path in folder.glob("0*.md"))
    assert [name for _, name in rows] == files, "docs/decisions/README.md: one row per record, by number"
    assert [name for number, name in rows if not name.startswith(number)] == []
