"""Characters that are not seen, or turn around what is, and those that names need."""

import pytest
from pydantic import TypeAdapter, ValidationError

from services.gateway.routes.desk.current_desk import ProxyName, Why
from services.kit.rules.fields import Line, ShortLine
from services.kit.rules.visible_text import STORED

LINES = [TypeAdapter(kind) for kind in (ShortLine, Line, ProxyName, Why)]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "character",
    [chr(code) for code in (0x85, 0xAD, 0x61C, 0x200B, 0x200E, 0x202A, 0x202E, 0x2028, 0x2060, 0x2066, 0x2069)]
    + [chr(code) for code in (0x3164, 0xFEFF, 0xFFF9, 0xE0041)],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_a_text_with_a_character_that_is_not_seen_is_refused_and_names_it(
    line: TypeAdapter[str], character: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        line.validate_python(f"王{character}小明")
    assert f"U+{ord(character):04X}" in str(refused.value)
    assert line.validate_python(f"王{character}小明", context=STORED)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    "name",
    [
        "欧阳𠮷㛃",
        "葛\U000e0100城",
        "Þórður Ægisson",
        "علی\u200cرضا",
        "क्\u200dष",
        "O\u2019Neil",
        "José",
        "מרים",
    ],
)
def test_names_of_all_scripts_are_taken(line: TypeAdapter[str], name: str) -> None:
    assert line.validate_python(name) == name
