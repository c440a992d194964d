"""The texts of pages, in catalogues: `locale/zh.toml` and `locale/en.toml` with the same keys."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from services.gateway.i18n.formats import LANGUAGES, Language, fill
from services.kit.manifests import Text

FOLDER = Path(__file__).parents[1] / "locale"


@dataclass(frozen=True, slots=True)
class Texts:
    """One language's catalogue. Calling it with an unknown key raises `KeyError`: a test walks every key used."""

    language: Language
    entries: Mapping[str, str]

    def __call__(self, key: str, **parameters: str | int) -> str:
        return fill(self.entries[key], parameters)

    def of(self, text: Text) -> str:
        """The words of a manifest's or a configuration's text."""
        return text.zh if self.language == "zh" else text.en

    def joined(self, words: list[str]) -> str:
        return ("、" if self.language == "zh" else ", ").join(words)


@cache
def catalogue(language: Language) -> Texts:
    """The catalogue of `language`, read once."""
    tree = tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))
    return Texts(language, dict(_flat(tree, "")))


def chosen(remembered: str | None, accepted: str | None) -> Language:
    """The language of a request: the remembered switch, else Chinese unless the browser asks for English first."""
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
