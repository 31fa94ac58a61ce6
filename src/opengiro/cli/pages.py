"""Prints the pages of `opengiro dev`: home and inbox, complete without JavaScript, for this machine's browsers only.

They show secrets, and no one logs in, so a request under any other name than this machine's is refused: a foreign
site that points its own name at 127.0.0.1 would otherwise read them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]

STATIC = "/dev/static"
_HERE = Path(__file__).parent
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def page(name: str, status: int = 200, **values: Any) -> Response:
    """Print a template as a page under a strict policy: nothing inline, nothing from elsewhere."""
    body = _environment().get_template(name).render(static=STATIC, shop=has_shop(), **values)
    return Response(body, status, media_type="text/html", headers=_HEADERS)


@cache
def has_shop() -> bool:
    """Tell whether the demo shop is installed, which is a distribution of its own."""
    return find_spec("demo_shop") is not None


def local(path: str, endpoint: Endpoint) -> Route:
    """Return a GET route that answers under this machine's own names only."""

    async def guarded(request: Request) -> Response:
        if request.url.hostname not in _LOOPBACK:
            return PlainTextResponse("This page is for this machine only: open it as 127.0.0.1 or localhost.\n", 421)
        return await endpoint(request)

    return Route(path, guarded, methods=["GET"])


def static_route() -> Route:
    """Return the route of the stylesheet and the scripts."""
    files = {path.name: path for path in (_HERE / "static").iterdir() if path.suffix in _TYPES}

    async def serve(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        return Response(found.read_bytes(), media_type=_TYPES[found.suffix])

    return Route(STATIC + "/{name}", serve, methods=["GET"])


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
