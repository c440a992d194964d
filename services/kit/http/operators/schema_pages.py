"""The contract to read in a browser: `/schemas` lists events, topics and APIs, and serves their files.

Nothing in it is secret or personal; it is on the operators' port with `/docs`: no stranger needs it.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse

import schemas
from schemas.events import EVENT_TYPES
from schemas.flows import flows
from schemas.topics import Topics
from services.kit.http.problems import Problem
from services.kit.manifests import discover

FOLDER: Final = Path(schemas.__file__).parent
_PATTERNS: Final = ("asyncapi.yaml", "json/*.json", "openapi/*.json", "examples/*/*.json")
_STYLE: Final = (
    "body{font:1rem/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{border:1px solid #767676;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}a{display:inline-block;padding:.3rem 0}div{overflow-x:auto}"
)
_MEDIA_TYPES: Final = {".json": "application/json", ".yaml": "application/yaml"}
_NOT_HERE: Final = Problem(404, "not-found", "Not found", detail="/schemas lists the files.")


def schema_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/schemas")
    async def index() -> HTMLResponse:
        return HTMLResponse(page(), headers={"Content-Security-Policy": _policy()})

    @router.get("/schemas/{name:path}")
    async def file(name: str) -> FileResponse:
        if (path := _files().get(name)) is None:
            raise _NOT_HERE
        return FileResponse(path, media_type=_MEDIA_TYPES[path.suffix])

    return router


@cache
def page() -> str:
    """Without scripts; every link is to a file that is served here."""
    names = _files()
    apis = ([_link(name, Path(name).stem)] for name in names if name.startswith("openapi/"))
    facts = ([_link(name, Path(name).stem)] for name in names if name.startswith("json/facts."))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Lixiao: the contract</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style><h1>The contract</h1>"
        f"<p>Of the services with one another and with other systems. {_link('asyncapi.yaml', 'AsyncAPI')} describes "
        "topics and events as a whole; <a href='docs'>this service's API</a> can be tried in the browser.</p>"
        + _table("HTTP APIs", ["OpenAPI of"], apis)
        + _table("Events", ["type", "what it says", "examples"], _events())
        + _table("Topics", ["topic", "what it carries", "sender", "receivers"], _topics())
        + _table("Facts of checks", ["schema"], facts)
    )


def _events() -> Iterable[list[str]]:
    for name, model in EVENT_TYPES.items():
        examples = [one for one in _files() if one.startswith(f"examples/{name}/")]
        links = " · ".join(_link(one, Path(one).stem.split("-", 1)[1].replace("-", " ")) for one in examples)
        yield [_link(f"json/{name}.json", name), _words(model.__doc__ or ""), links]


def _topics() -> Iterable[list[str]]:
    for flow in flows(Topics(), tuple(discover())):
        yield [_words(one) for one in (flow.topic, flow.about, flow.sender, ", ".join(flow.receivers))]


def _table(title: str, headings: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    # A wide one is scrolled by itself, also with the keyboard.
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{escape(title)}</h2><div role="region" aria-label="{escape(title)}" tabindex="0">{table}</div>'


def _words(text: str) -> str:
    """As docstrings are written: names between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text.strip()))


def _link(name: str, text: str) -> str:
    return f'<a href="schemas/{escape(name)}">{escape(text)}</a>'


@cache
def _files() -> dict[str, Path]:
    """Path below `/schemas/` → file; nothing else of the folder is served."""
    found = (path for pattern in _PATTERNS for path in sorted(FOLDER.glob(pattern)))
    return {path.relative_to(FOLDER).as_posix(): path for path in found}


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
