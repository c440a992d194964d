"""A university is a folder of configuration: an invented one renders every page, and nothing of another shows."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import ReadModelUnavailable, StudentSnapshot
from services.gateway.routes.student.form_document import form_document
from services.gateway.university import CONFIGURATIONS, Site, departments, load
from services.gateway.web.renderer import Renderer
from services.kit.manifests import SERVICES
from tests.support.samples import case_samples

FOLDER = CONFIGURATIONS / "lakeside"
SITE = Site(load(FOLDER), departments(FOLDER, SERVICES), 60)
RENDERER = Renderer(SITE, FOLDER)
SESSION: Any = SimpleNamespace(csrf="a token", student_id="TS0000000001", roles=())
READINGS = {
    "clear": case_samples.clear(),
    "blocked": case_samples.blocked(),
    "waiting": case_samples.waiting(),
    "completed": case_samples.completed(),
    "away": ReadModelUnavailable(case_samples.NOW),
}


def rendered(reading: StudentSnapshot | ReadModelUnavailable, language: str) -> str:
    texts = catalogue("en" if language == "en" else "zh")
    progress = case_progress(reading, (), SITE, case_samples.NOW)
    page = present(ViewContext(SITE, texts, case_samples.NOW), progress)
    pages = [RENDERER.page("guide.html", texts, session=None, back="/", is_favourite=False)]
    if page.form:
        doc = form_document(ViewContext(SITE, texts, case_samples.NOW), page.form, origin="https://x.example")
        values: dict[str, Any] = {"form": page.form, "doc": doc, "qr_image": "", "pdf": "/me/form.pdf"}
        pages.append(RENDERER.page("completed.html", texts, session=SESSION, back="/completed", **values))
    case = RENDERER.case(page, texts, SESSION)
    return case + "".join(bytes(page.body).decode() for page in pages)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_an_invented_university_renders_every_page(
    reading: StudentSnapshot | ReadModelUnavailable, language: str
) -> None:
    html = rendered(reading, language)
    assert ("Lakeside University" if language == "en" else "镜湖大学") in html
    for foreign in ("矿", "CUMT", "313963892", "0516-83592019", "2026届"):
        assert foreign not in html


def test_its_titles_phones_and_notice_are_laid_over_the_departments_own() -> None:
    html = rendered(case_samples.blocked(), "zh")
    for own in ("镜湖图书馆", "借阅", "tel:09915550111", 'href="https://pay.lakeside.example/"', "logo."):
        assert own in html


@pytest.mark.parametrize(("language", "words"), [("zh", "镜湖校区的湖。"), ("en", "The lake of the campus.")])
def test_its_manual_shows_its_own_pictures_described_and_with_their_size(language: str, words: str) -> None:
    html = rendered(case_samples.clear(), language)
    pictures = re.findall("<img [^>]*>", html[html.index('id="questions"') :])
    assert len(pictures) == 1
    assert re.search(r'src="/static/lake\.[0-9a-f]{12}\.png"', pictures[0])
    assert f'alt="{words}" width="240" height="120" loading="lazy"' in pictures[0]


def test_a_university_may_have_no_pictures_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("pictures"))
    path = folder / "university.toml"
    plain = path.read_text("utf-8").replace(', picture = "lake"', "")
    path.write_text(plain[: plain.index("[pictures.lake]")], "utf-8")
    site = Site(load(folder), departments(folder, SERVICES), 60)
    page = Renderer(site, folder).page("guide.html", catalogue("zh"), session=None, back="/", is_favourite=False)
    html = bytes(page.body).decode()
    assert "<img" not in html[html.index('id="questions"') :]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda folder: (folder / "pictures" / "lake.png").unlink(), "pictures.lake: lake.png is not in"),
        (lambda folder: (folder / "pictures" / "lake.png").write_bytes(b"no picture"), "this is no picture"),
        (lambda folder: _changed(folder, "[pictures.lake]", "[pictures.sea]"), r"no \[pictures.lake\]"),
        (lambda folder: _changed(folder, 'zh = "lake.png"', 'zh = "../logo.svg"'), "pictures.lake.file.zh"),
        (lambda folder: _changed(folder, 'zh = "镜湖校区的湖。"', 'zh = ""'), "pictures.lake.alt.zh"),
    ],
    ids=["missing", "no picture", "not described", "outside", "no words"],
)
def test_a_wrong_picture_is_said_at_the_start(tmp_path: Path, wrong: Callable[[Path], None], said: str) -> None:
    folder = tmp_path / "lakeside"
    shutil.copytree(FOLDER, folder)
    wrong(folder)
    with pytest.raises(ValueError, match=f"(?s)university.toml: .*{said}"):
        load(folder)


def _changed(folder: Path, old: str, new: str) -> None:
    path = folder / "university.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_its_clock_is_its_campus() -> None:
    assert "08:32" in rendered(case_samples.clear(), "zh")


def test_what_a_department_sends_is_text_and_never_markup() -> None:
    hostile = case_samples.dorm(
        [{**case_samples.ROOM, "room": "<script>alert(1)</script>", "handler": '"><img src=x>'}]
    )
    reading = StudentSnapshot(case_samples.case(name="<b>名"), {**case_samples.clear().statuses, "dorm": hostile})
    html = rendered(reading, "zh")
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "&lt;b&gt;名" in html
