"""How Schemathesis sends a body of JSON lines: as the text it is. Loaded by its `SCHEMATHESIS_HOOKS`."""

from typing import Any

import schemathesis

from services.kit.imports.files.formats import MEDIA_TYPES, Format


@schemathesis.serializer(*(kind for kind, format in MEDIA_TYPES.items() if format is Format.JSONL))
def json_lines(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
