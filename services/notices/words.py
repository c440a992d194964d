"""The words of notices, with the university's names over them."""

import tomllib
from pathlib import Path
from typing import Any, Final

from services.kit.manifests import Text, discover
from services.notices.news.wording import Words
from services.notices.settings import NoticeSettings

_TEXTS: Final = Path(__file__).parent / "locale" / "texts.toml"
_SERVICE: Final = Text(zh="离校服务", en="Departure clearance")


def words_of(settings: NoticeSettings) -> Words:
    """Raises `ValueError` for a folder that cannot be read."""
    folder = settings.university
    names = _toml(folder / "university.toml") if folder else {}
    overlay = _toml(folder / "departments.toml") if folder else {}
    return Words(
        entries={
            key: {"zh": text["zh"].strip(), "en": text["en"].strip()}
            for key, text in tomllib.loads(_TEXTS.read_text("utf-8")).items()
        },
        departments=discover(settings.services_folder, overlay),
        service=Text.model_validate(names["service_short"]) if names else _SERVICE,
        university=Text.model_validate(names["name"]) if names else Text(zh="", en=""),
        link=f"{settings.public_url}/case",
    )


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
