"""ICU MessageFormat, the part we use: `{name}` and `{name, plural, one {# book} other {# books}}`. Pure."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from babel import Locale

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LOCALES: Final[Mapping[Language, Locale]] = {"zh": Locale("zh", "CN", script="Hans"), "en": Locale("en", "GB")}

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)(?:, plural, ((?:[a-z]+ \{[^{}]*\} ?)+))?\}")
_FORM: Final = re.compile(r"([a-z]+) \{([^{}]*)\}")


def fill(template: str, parameters: Mapping[str, object], language: Language) -> str:
    """Missing values become an ellipsis.

    Not `str.format`, which would let parameters reach attributes.
    """

    def value_of(placeholder: re.Match[str]) -> str:
        name, forms = placeholder.groups()
        value = parameters.get(name, "…")
        return str(value) if forms is None else _form(forms, value, language)

    return _PLACEHOLDER.sub(value_of, template) if "{" in template else template


def placeholders(template: str) -> frozenset[str]:
    """Names of the parameters it takes."""
    return frozenset(found.group(1) for found in _PLACEHOLDER.finditer(template))


def _form(forms: str, value: object, language: Language) -> str:
    by_name: dict[str, str] = dict(_FORM.findall(forms))
    try:
        name = LOCALES[language].plural_form(abs(int(str(value))))
    except ValueError:
        name = "other"
    return by_name.get(name, by_name.get("other", "#")).replace("#", str(value))
