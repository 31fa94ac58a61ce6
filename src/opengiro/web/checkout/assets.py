"""The stylesheet and scripts: read once, compressed once, and named by their content so that browsers keep them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from opengiro.web.headers import asset_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

PREFIX = "/checkout-assets"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    media_type: str
    plain: bytes
    gzipped: bytes


class Assets:
    """The files of one folder under one hash of them all: modules import each other by relative names."""

    __slots__ = ("digest", "files", "prefix")

    def __init__(self, folder: Path, prefix: str = PREFIX) -> None:
        """Read every file of `folder` that has a type browsers need; they are served below `prefix`."""
        self.prefix = prefix
        paths = sorted(path for path in folder.iterdir() if path.suffix in _TYPES)
        self.files = {path.name: _read(path) for path in paths}
        together = hashlib.sha256(b"\0".join(asset.plain for asset in self.files.values()))
        self.digest = together.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the address of a file; a name that does not exist is a mistake in a template."""
        if name not in self.files:
            raise LookupError(name)
        return f"{self.prefix}/{self.digest}/{name}"


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    return Asset(_TYPES[path.suffix], plain, gzip.compress(plain, 9, mtime=0))


ASSETS = Assets(Path(__file__).parent / "static")


def asset_route(assets: Assets = ASSETS) -> Route:
    """Return the route that serves the files; an old hash answers 404 rather than with other content."""

    def serve(request: Request) -> Response:
        return _serve(assets, request)

    return Route(assets.prefix + "/{digest}/{name}", serve, methods=["GET", "HEAD"])


def _serve(assets: Assets, request: Request) -> Response:
    asset = assets.files.get(request.path_params["name"])
    if asset is None or request.path_params["digest"] != assets.digest:
        return Response(status_code=404)
    return send_file(asset, request, asset_headers())


def send_file(asset: Asset, request: Request, headers: Mapping[str, str]) -> Response:
    """Answer with a file, compressed where the browser can read that."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        packed = {**headers, "Content-Encoding": "gzip"}
        return Response(asset.gzipped, media_type=asset.media_type, headers=packed)
    return Response(asset.plain, media_type=asset.media_type, headers=dict(headers))
