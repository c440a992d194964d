"""Names in the scripts that students have: each letter is drawn and read back, and a box is logged and counted."""

import unicodedata
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from structlog.testing import capture_logs

from services.gateway.printing import fonts, typst
from services.gateway.printing.missing_glyphs import count_missing
from services.gateway.printing.typst import FormRenderer
from tests.support.pdf_glyphs import Drawn, drawn_in
from tests.support.samples.case_samples import NOW
from tests.support.samples.form_samples import document
from tests.unit.gateway.printing.test_form import text_of

READ_AS_WRITTEN = {
    "Kazakh": "Әлихан Мөңкебай Ғұқықүһі",
    "Mongolian": "Өлзийбат Цэрэнбаатар Ү",
    "Russian": "Иван Щёткин",
    "Polish": "Łukasz Żółć",
    "Romanian": "Ștefan Țîrlea",
    "Turkish": "Şükrü İı Ğ",
    "Greek": "Ἀλέξανδρος",
    "Irish": "Seán O’Connor",
    "Korean": "김민준",
    "kana": "さくらアイ",
    "Uyghur in Chinese": "阿卜杜热依木·买买提",
    "40 characters": "阿卜杜热依木买买提" * 4 + "吐尔逊江",
    "60 letters": "Maximiliana Konstantina Wilhelmina Alexandrina von Hohenstein",
    "rare": "欧阳𠮷㛃䶮𬭚𰻝頔",
    "Georgian": "მარიამ",
    "emoji": "😀王",
}
SHAPED = {
    "Vietnamese": "Nguyễn Thị Hường",
    "Thai": "สมชาย ใจดี",
    "Arabic": "محمد عبد الله",
    "Uyghur": "ئابدۇرېھىم ئۆتكۈر",
    "Hindi": "अनीता कुमार",
    "Hebrew": "חנה",
    "Lao": "ສົມ",
    "Myanmar": "မြန်မာ",
    "accents apart": "e\u0323\u0302 x\u0304 Л\u0301 Z\u0307",
}
"""Letters that are reordered, joined or stacked: a reader of the PDF gets them in another order."""
WITHOUT_FONT = {
    "Tibetan": ("བཀྲ་ཤིས", {"Tibt": 7}),
    "private use": ("\ue000王", {"Zzzz": 1}),
    "Han extension B": ("𪚥", {"Hani": 1}),
    "a control": ("王\u0007", {"Zyyy": 1}),
}
CJK = "NotoSansCJKsc-Regular"
INVISIBLE = "王\u200b\u200d\u202e小\u2003明\ufe0f\U000e0100\u00ad"


@pytest.fixture(scope="module")
def renderer() -> Iterator[FormRenderer]:
    renderer = FormRenderer()
    yield renderer
    renderer.close()


async def drawn(renderer: FormRenderer, name: str) -> Drawn:
    return drawn_in(await renderer.pdf(document(name=name), NOW))


@pytest.mark.parametrize("name", READ_AS_WRITTEN.values(), ids=READ_AS_WRITTEN)
async def test_a_name_is_drawn_without_a_box_and_read_as_it_was_written(renderer: FormRenderer, name: str) -> None:
    with capture_logs() as logs:
        pdf = await renderer.pdf(document(name=name), NOW)
    assert drawn_in(pdf).boxes == 0
    assert "".join(name.split()) in "".join(text_of(pdf).split())
    assert logs == []


@pytest.mark.parametrize("name", SHAPED.values(), ids=SHAPED)
async def test_a_shaped_name_is_drawn_without_a_box_and_all_its_letters_are_read(
    renderer: FormRenderer, name: str
) -> None:
    seen = await drawn(renderer, name)
    assert seen.boxes == 0
    assert set(unicodedata.normalize("NFD", name)) <= set(unicodedata.normalize("NFD", seen.text))


async def test_arabic_letters_are_joined(renderer: FormRenderer) -> None:
    apart, joined = await drawn(renderer, "م م م"), await drawn(renderer, "ممم")
    assert len(set(apart.glyphs["NotoSansArabic-Regular"])) == 1
    assert len(set(joined.glyphs["NotoSansArabic-Regular"])) == 3  # the first, the middle and the last form


@pytest.mark.parametrize("name", ["Łukasz", "Żółć", "Z\u0307", "Өлзий", "O’Connor"])
async def test_a_word_beyond_latin_1_is_in_the_font_that_places_its_accents(renderer: FormRenderer, name: str) -> None:
    seen = await drawn(renderer, name)
    assert len(seen.glyphs["NotoSans-Regular"]) == len(unicodedata.normalize("NFC", name))


async def test_a_chinese_form_needs_the_cjk_font_alone(renderer: FormRenderer) -> None:
    assert set((await drawn(renderer, "欧阳明")).glyphs) == {CJK}


@pytest.mark.parametrize(("name", "scripts"), WITHOUT_FONT.values(), ids=WITHOUT_FONT)
async def test_a_name_that_no_font_has_is_logged_and_counted_without_the_name(
    renderer: FormRenderer, name: str, scripts: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    monkeypatch.setattr(typst, "FORM_MISSING_GLYPHS", meter.create_counter("missing"))
    with capture_logs() as logs:
        seen = await drawn(renderer, name)
    [count] = scripts.values()
    assert seen.boxes == count
    assert logs == [
        {"event": "form.printed_with_boxes", "log_level": "warning", "characters": count, "scripts": list(scripts)}
    ]
    assert _points(reader) == scripts


async def test_a_character_of_private_use_that_a_font_has_is_printed_though_no_standard_allows_it(
    renderer: FormRenderer,
) -> None:
    with capture_logs() as logs:
        seen = await drawn(renderer, "王\U000fe4e5")
    assert seen.boxes == 0
    assert logs == [{"event": "form.printed_off_standard", "log_level": "warning"}]


async def test_characters_that_are_never_drawn_are_not_missing(renderer: FormRenderer) -> None:
    with capture_logs() as logs:
        seen = await drawn(renderer, INVISIBLE)
    assert (seen.boxes, logs) == (0, [])


def test_missing_characters_are_found_at_any_depth() -> None:
    texts = ["ab", {"rows": [["c", "བ"]], "numeric": [True]}]
    assert count_missing(texts, {*map(ord, "abc")}) == {"Tibt": 1}


def test_every_family_of_the_list_is_in_the_packages() -> None:
    assert set(fonts.FAMILIES) <= set(fonts.load().families())


def _points(reader: InMemoryMetricReader) -> dict[str, int]:
    data = reader.get_metrics_data()
    assert data is not None
    points = [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]
    return {
        str((point.attributes or {})["script"]): int(point.value)
        for point in points
        if isinstance(point, NumberDataPoint)
    }
