"""Encodings: what is Chinese in GB18030, and what only happens to decode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.imports.files.encodings import decoded
from services.kit.imports.files.formats import Format
from services.kit.imports.files.frequent_han import FREQUENT
from services.kit.imports.files.problems import Unimportable
from tests.support.samples.import_files import read, workbook

ROSTER = (
    "student_id,name,gender,college,major,grade,enrolled_on,leave_category,cohort\n"
    "TS239903030,{},M,{},Mining,2023,2023-09-01,Graduation,2026\n"
)
LATIN = ["Jürgen Müller", "François Lefèvre", "Søren Åberg", "José Núñez", "Zoë Brontë", "Björk Guðmundsdóttir"]


@pytest.mark.parametrize(
    ("name", "college", "encoding"),
    [
        *((name, "Geosciences", "cp1252") for name in LATIN),
        ("MÜLLER ÄÖÜ", "Géosciences", "cp1252"),
        ("山田太郎", "資源工学部", "shift_jis"),
        ("さとうはなこ", "情報学部", "shift_jis"),
        ("김민수", "자원공학과", "euc_kr"),
        ("이서연", "기계공학부", "euc_kr"),
        ("王小明", "資訊工程學院", "big5"),
        ("Иванов", "Горный институт", "cp1251"),
    ],
)
def test_bytes_that_only_happen_to_decode_are_refused_with_the_remedy(name: str, college: str, encoding: str) -> None:
    with pytest.raises(Unimportable) as caught:
        decoded(ROSTER.format(name, college).encode(encoding))
    assert caught.value.slug == "wrong-encoding"
    assert "CSV UTF-8" in caught.value.remedy


@pytest.mark.parametrize("name", ["𠮷䶮㛃𬭚〇·", "李𬭚", "〇", "买买提·吐尔逊", "王珏", "沈珺喆", "欧阳娜娜"])
@pytest.mark.parametrize("college", ["Geosciences", "资源与地球科学学院"])
def test_chinese_in_gb18030_is_read_with_its_rare_characters(name: str, college: str) -> None:
    text = ROSTER.format(name, college)
    assert decoded(text.encode("gb18030")) == (text, "gb18030")


@given(st.lists(st.sampled_from(sorted(FREQUENT)), min_size=1), st.text(st.characters(codec="ascii")))
def test_frequent_characters_are_read_in_gb18030_whatever_stands_between(han: list[str], ascii_text: str) -> None:
    text = ROSTER.format("".join(han), "资源与地球科学学院") + ascii_text.replace("\0", "")
    assert decoded(text.encode("gb18030")) == (text, "gb18030")


@given(st.lists(st.text("aeioubcdlmnrstéèêëàâäöüßçñøåíóú", min_size=3, max_size=12), min_size=1))
def test_no_western_name_is_taken_for_chinese(names: list[str]) -> None:
    for name in names:
        try:
            text, _ = decoded(ROSTER.format(name, "Geosciences").encode("cp1252"))
        except Unimportable:
            continue
        assert name in text


@pytest.mark.parametrize("text", ["name\nÉléonore\nGülşen\n", "name\nИванов Горный\n", "name\nנועה\n"])
def test_letters_of_two_bytes_are_read_in_utf_8(text: str) -> None:
    assert decoded(text.encode()) == (text, "utf-8")


def test_what_may_be_two_letters_or_a_chinese_word_is_refused_without_the_mark() -> None:
    with pytest.raises(Unimportable) as caught:
        decoded("name\n学院\n".encode("gb18030"))
    assert "GB18030" in caught.value.title
    text = "学院".encode("gb18030").decode()
    assert decoded(text.encode("utf-8-sig")) == (text, "utf-8")


def test_a_workbook_named_csv_and_text_in_utf_16_reach_their_own_answer() -> None:
    with pytest.raises(Unimportable) as caught:
        read(workbook(["student_id"], ["TS1001"]), Format.CSV)
    assert caught.value.slug == "format-mismatch"
    for kind, text in ((Format.CSV, "学号,书名\nTS1001,矿山\n"), (Format.JSONL, '{"学号": "TS1001", "书名": "矿山"}')):
        assert [row.cells for row in read(text.encode("utf-16"), kind)] == [{"student_id": "TS1001", "title": "矿山"}]
        with pytest.raises(Unimportable) as caught:
            read(text.encode("utf-16-le"), kind)
        assert caught.value.slug == "not-text"
        assert "UTF-16" in caught.value.title
