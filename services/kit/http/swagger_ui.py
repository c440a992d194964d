"""Swagger UI at /docs, without contacting another host."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response

_STATIC: Final = Path(fastapi_offline.__file__).parent / "static"
_SCRIPT: Final = "swagger-ui-bundle.js"
_STYLE: Final = "swagger-ui.css"
_ICON: Final = "favicon.png"


def documentation_routes(title: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=title,
            swagger_js_url=f"docs/{_SCRIPT}",
            swagger_css_url=f"docs/{_STYLE}",
            swagger_favicon_url=f"docs/{_ICON}",
        )

    for name in (_SCRIPT, _STYLE, _ICON):
        router.add_api_route(f"/docs/{name}", _file(name), methods=["GET"])
    return router


def _file(name: str) -> Callable[[], Coroutine[Any, Any, Response]]:
    async def answer() -> Response:
        return FileResponse(_STATIC / name, headers={"Cache-Control": "public, max-age=86400"})

    return answer
