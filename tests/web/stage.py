"""Serves the gallery over real HTTP with the headers of the real server, so that a browser judges what payers get."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opengiro.web.checkout.assets import asset_route
from opengiro.web.checkout.pages import print_page, print_trouble
from opengiro.web.checkout.view import Again, Trouble
from opengiro.web.headers import SecurityHeaders, page_headers
from tests.web.gallery import PAGES


def _show(request: Request) -> Response:
    language, name = request.path_params["language"], request.path_params["name"]
    if name in PAGES:
        page, frame = PAGES[name]
        body = print_page(page, replace(frame, language=language), "gallery")
    elif name in set(Trouble):
        later = Again("", 2, alone=name == "busy") if name in ("busy", "closed") else None
        body = print_trouble(Trouble(name), language, "gallery", later)
    else:
        return Response(status_code=404)
    return Response(body, media_type="text/html", headers=page_headers("gallery"))


def gallery_app() -> SecurityHeaders:
    """Return an application with each page at /LANGUAGE/NAME."""
    return SecurityHeaders(Starlette(routes=[asset_route(), Route("/{language}/{name}", _show)]), https=False)


@contextmanager
def served(app: object) -> Iterator[str]:
    """Run an application on a free loopback port and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", server_header=False))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
