"""Answers of a running service, recorded as examples of its OpenAPI document.

What differs from run to run (instants, ids, hashes) is written as a fixed value of the same form.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from services.kit.http.openapi import ANSWERS

_SAME: Final = (
    (r"2\d{3}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,6}(Z|[+-]\d{2}:\d{2})", "2026-06-05T06:30:00.000000Z"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "3f0c8a52-3a0c-4a6e-9f43-2d7a53a1f0aa"),
    (r"\b[0-9a-f]{64}\b", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    (r"\b[0-9a-f]{32}\b", "4bf92f3577b34da6a3ce929d0e0e4736"),
)
Answers = dict[str, dict[str, list[dict[str, Any]]]]
"""Operation → status → name, media type and body."""


class Recorder:
    """`known`: what stands for a value of this run."""

    def __init__(self, document: Mapping[str, Any], known: Mapping[str, str] | None = None) -> None:
        self.answers: Answers = {}
        self.known = dict(known or {})
        self._routes = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation["operationId"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def note(self, name: str, answer: httpx.Response) -> httpx.Response:
        """As an example of this name; one without a body is none. Returns the answer."""
        method, path = answer.request.method, answer.request.url.path
        fitting = [one for how, route, one in self._routes if how == method and route.fullmatch(path)]
        (operation,) = fitting[:1]
        if answer.content and "json" in answer.headers["content-type"]:
            body = json.loads(self._plain(answer.text))
            of_status = self.answers.setdefault(operation, {}).setdefault(str(answer.status_code), [])
            if name not in [one["name"] for one in of_status]:
                media_type = answer.headers["content-type"].partition(";")[0]
                of_status.append({"name": name, "media_type": media_type, "body": body})
        return answer

    def _plain(self, text: str) -> str:
        for value, stand_in in self.known.items():
            text = text.replace(value, stand_in)
        for zone in ("UTC", "Asia/Shanghai"):
            text = text.replace(f'"{datetime.now(ZoneInfo(zone)).date()}"', '"2026-06-05"')
        for pattern, stand_in in _SAME:
            text = re.sub(pattern, stand_in, text)
        return text

    @property
    def operations(self) -> set[str]:
        return {one for _, _, one in self._routes}


def path_of(service: str) -> Path:
    return ANSWERS / f"{service}.json"


def recorded(service: str) -> Answers:
    found: Answers = json.loads(path_of(service).read_bytes()) if path_of(service).exists() else {}
    return found


def record(service: str, answers: Answers) -> None:
    path_of(service).parent.mkdir(parents=True, exist_ok=True)
    path_of(service).write_text(json.dumps(answers, ensure_ascii=False, indent=2) + "\n", "utf-8")
