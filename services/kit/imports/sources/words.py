"""The words of one field in one source. Pure."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.kit.imports.files.problems import Place, RowProblem, Text, problem
from services.kit.imports.sources.formats import FORMATS, FormatName
from services.kit.imports.sources.manifest import FLAGS

_FLAGS: Final = {"true": "yes", "1": "yes", "false": "no", "0": "no"}


@dataclass(frozen=True, slots=True)
class Words:
    """`known`: folded word → value; a `closed` field has no other values. `listed` is for people."""

    known: Mapping[str, str]
    closed: bool
    listed: str
    spell: Callable[[str], str] | None

    @classmethod
    def of(cls, own: Mapping[str, tuple[str, ...]], codes: tuple[str, ...], form: FormatName | None) -> "Words":
        """`own`: value → the source's words; `codes`: the values of a closed field, which are known as they are."""
        known = {folded(code): _FLAGS.get(code, code) if codes == FLAGS else code for code in codes}
        known |= {folded(word): value for value, words in own.items() for word in words}
        listed = [word for words in own.values() for word in words] or codes
        return cls(known, bool(codes), "、".join(listed), FORMATS[form][1] if form else None)

    def value(self, text: str) -> str | None:
        """The value of this import, or None for an unknown word of a closed field."""
        found = self.known.get(folded(text))
        if found is not None or self.closed:
            return found
        return self.spell(text) if self.spell else text


def unknown_word(field: str, label: str, listed: str, title: tuple[str, str]) -> RowProblem:
    fault = Text(f"的值不在来源“{title[0]}”的词表里。", f"holds a word that the source “{title[1]}” does not list.")
    remedy = Text(
        f"可用的词：{listed}。如有别的说法，请补充到来源文件的词表。",
        f"Known words: {listed}. Another one is to be added to the source's file.",
    )
    return problem(field, Place(label).describe(fault), remedy)


def folded(word: str) -> str:
    """What equal words have in common: case, width and spaces do not count."""
    return "".join(unicodedata.normalize("NFKC", word).casefold().split())
