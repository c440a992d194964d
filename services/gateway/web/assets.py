"""Static files under their content's hash, to be cached for ever."""

import gzip
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from services.gateway.image_size import Size, size_of

STATIC = Path(__file__).parents[1] / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class Asset:
    address: str
    media_type: str
    body: bytes
    gzipped: bytes
    """Holds no secret that compression could leak."""


class Assets:
    """A missing folder is empty; of two files with one name the last wins."""

    def __init__(self, *folders: Path) -> None:
        found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
        paths = {path.name: path for path in found if path.suffix in TYPES}
        self._by_name = {name: _read(path) for name, path in paths.items()}
        self._by_address = {asset.address: asset for asset in self._by_name.values()}

    def address(self, name: str) -> str:
        """Raises `KeyError`."""
        return self._by_name[name].address

    @property
    def addresses(self) -> Collection[str]:
        return self._by_address.keys()

    def size(self, name: str) -> Size:
        """Raises `KeyError`, or `ValueError` for no picture."""
        return size_of(self._by_name[name].body)

    def routes(self) -> APIRouter:
        router = APIRouter()

        @router.get("/static/{name}", include_in_schema=False)
        async def static(name: str, request: Request) -> Response:
            asset = self._by_address.get(f"/static/{name}")
            if asset is None:
                raise HTTPException(404)
            headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
            # Pictures are compressed already.
            if len(asset.gzipped) < len(asset.body) and "gzip" in request.headers.get("accept-encoding", ""):
                return Response(
                    asset.gzipped, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"}
                )
            return Response(asset.body, media_type=asset.media_type, headers=headers)

        return router


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:12]
    return Asset(
        f"/static/{path.stem}.{digest}{path.suffix}", TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0)
    )
