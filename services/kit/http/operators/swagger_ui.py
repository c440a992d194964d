"""Swagger UI at /docs, without contacting another host, and /openapi.json."""

import base64
import hashlib
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.responses import Response

_STATIC: Final = Path(fastapi_offline.__file__).parent / "static"
_SCRIPT: Final = "swagger-ui-bundle.js"
_STYLE: Final = "swagger-ui.css"
_ICON: Final = "favicon.png"


def documentation_routes(app: FastAPI) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=app.title,
        swagger_js_url=f"docs/{_SCRIPT}",
        swagger_css_url=f"docs/{_STYLE}",
        swagger_favicon_url=f"docs/{_ICON}",
    )
    policy = _content_security_policy(bytes(page.body).decode())

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers={"Content-Security-Policy": policy})

    @router.get("/openapi.json")
    async def openapi() -> JSONResponse:
        return JSONResponse(app.openapi())

    for name in (_SCRIPT, _STYLE, _ICON):
        router.add_api_route(f"/docs/{name}", _file(name), methods=["GET"])
    return router


def _content_security_policy(page: str) -> str:
    """Of all inline scripts, the page's own may run; Swagger UI sets styles inline."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _file(name: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def answer() -> Response:
        return FileResponse(_STATIC / name, headers={"Cache-Control": "public, max-age=86400"})

    return answer
