"""The texts of the pages, `locale/*.toml` with the same keys."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from babel.lists import format_list

from services.kit.manifests import Text
from services.kit.message_format import LANGUAGES, LOCALES, Language, fill

FOLDER = Path(__file__).parents[1] / "locale"


@dataclass(frozen=True, slots=True)
class Texts:
    """Raises `KeyError` for an unknown key: a test walks every key used."""

    language: Language
    entries: Mapping[str, str]

    def __call__(self, key: str, **parameters: str | int) -> str:
        return fill(self.entries[key], parameters, self.language)

    def of(self, text: Text, parameters: Mapping[str, object] | None = None) -> str:
        """A text of a manifest or of the configuration."""
        words = text.zh if self.language == "zh" else text.en
        return words if parameters is None else fill(words, parameters, self.language)

    def joined(self, items: Sequence[str]) -> str:
        """`A、B、C`, `A, B and C`."""
        # CLDR's Chinese list ends in 和, which is hard to tell from the 与 inside a department's name.
        return "、".join(items) if self.language == "zh" else format_list(items, locale=LOCALES[self.language])


@cache
def catalogue(language: Language) -> Texts:
    tree = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    return Texts(language, dict(_flat(tree, "")))


def preferred_language(remembered: str | None, accepted: str | None) -> Language:
    """Chinese, unless another was chosen or `Accept-Language` is English first without Chinese."""
    for language in LANGUAGES:
        if remembered == language:
            return language
    first = (accepted or "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") and "zh" not in (accepted or "").lower() else "zh"


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    entries: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        entries += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, str(value))]
    return entries
