"""What the README tells a reader to type is what the product says and has."""

import re
from pathlib import Path

from deploy.demo.students import cohort
from deploy.demo.welcome import curl
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_its_request_to_a_desk_is_the_one_the_demo_prints() -> None:
    first = cohort(200)[0]
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
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'<img src="([^"]+)"', text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
