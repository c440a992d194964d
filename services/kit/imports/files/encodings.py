"""The encoding of a text file: UTF-8, UTF-16 with its mark, or GB18030 that is really Chinese. Pure."""

import re
from typing import Final

from services.kit.imports.files.frequent_han import FREQUENT
from services.kit.imports.files.problems import Text, Unimportable

UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_REMEDY: Final = Text(
    "请另存为“CSV UTF-8”后再发送（JSON 行用 UTF-8）。", "Save it as “CSV UTF-8” (JSON lines: UTF-8) and send that."
)
_MIN_FREQUENT: Final = 0.3
"""Share of the Han characters. Names alone have a third and more, other text two thirds; Korean read so, a quarter."""
_MIN_FREQUENT_IF_AMBIGUOUS: Final = 0.6
"""Of bytes that are Korean syllables throughout, or letters in UTF-8, as well: a few Chinese characters may be."""
_MAX_GLUED: Final = 0.1
"""Rare Han characters next to Latin letters, to the frequent ones."""
_SAMPLE: Final = 100_000
"""Characters that are looked at."""

_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_PRIVATE: Final = re.compile(r"[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_KANA_OR_LATIN: Final = re.compile(r"[\u00c0-\u024f\u0370-\u04ff\u3040-\u30ff\u3100-\u312f]")
_THREE_BYTES: Final = re.compile(r"[\u0800-\U0010ffff]")
_GLUED: Final = re.compile(r"(?<=[A-Za-z])[\u3400-\u9fff]|[\u3400-\u9fff](?=[A-Za-z])")


def decoded(data: bytes) -> tuple[str, str]:
    """Text and encoding, `utf-8`, `utf-16` or `gb18030`. Raises `Unimportable` for any other, and for damaged text."""
    if data.startswith(UTF16_MARKS):
        try:
            return data.decode("utf-16"), "utf-16"
        except UnicodeDecodeError:
            title = Text("UTF-16 文本已损坏。", "The UTF-16 text is damaged.")
            raise Unimportable("wrong-encoding", title, _REMEDY) from None
    try:
        text = data.decode("utf-8")
        if _is_utf8(text, data):
            return text.removeprefix("\ufeff"), "utf-8"
        title = Text("文件可能是 UTF-8，也可能是 GB18030。", "The file may be UTF-8 or GB18030.")
        raise Unimportable("wrong-encoding", title, _REMEDY)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    chinese = _gb18030(data)
    if chinese is None:
        title = Text(
            f"第 {line} 行既不是 UTF-8，也不像 GB18030 编码的中文。",
            f"Line {line} is neither UTF-8 nor Chinese in GB18030.",
        )
        raise Unimportable("wrong-encoding", title, _REMEDY)
    return chinese, "gb18030"


def _is_utf8(text: str, data: bytes) -> bool:
    """A few Chinese characters in GB18030, as 学院, are letters in UTF-8 as well. UTF-8 with its mark is certain."""
    if text.isascii() or _THREE_BYTES.search(text):
        return True
    chinese = _gb18030(data)
    return chinese is None or not _is_chinese(chinese[:_SAMPLE], _MIN_FREQUENT_IF_AMBIGUOUS)


def _gb18030(data: bytes) -> str | None:
    """GB18030 is what a Chinese Excel saves as plain "CSV". Almost any bytes decode in it, into other characters."""
    lenient = data.decode("utf-8", "replace")
    if len(_HAN.findall(lenient)) > 4 * lenient.count("\ufffd"):
        return None  # mostly UTF-8, damaged
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    least = _MIN_FREQUENT_IF_AMBIGUOUS if _is_hangul(data) else _MIN_FREQUENT
    return text if not _PRIVATE.search(text) and _is_chinese(text[:_SAMPLE], least) else None


def _is_hangul(data: bytes) -> bool:
    try:
        return re.fullmatch("[\\x00-\\x7f\uac00-\ud7a3]*", data.decode("euc_kr")) is not None
    except UnicodeDecodeError:
        return False


def _is_chinese(text: str, least: float) -> bool:
    """Whether the characters are those Chinese is written with, and not those that foreign bytes turn into."""
    han = _HAN.findall(text)
    foreign = len(_KANA_OR_LATIN.findall(text))
    frequent = sum(character in FREQUENT for character in han)
    if not han:
        # Only characters of four bytes and punctuation: foreign bytes do not make those.
        return not foreign
    glued = sum(character not in FREQUENT for character in _GLUED.findall(text))
    return frequent >= least * (len(han) + foreign) and glued <= _MAX_GLUED * frequent
