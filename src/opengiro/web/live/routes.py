"""The addresses of live status."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from opengiro.domain.refusals import Refused
from opengiro.usecases.grant_live_token import renew_live_token
from opengiro.web.live.door import Door, cors
from opengiro.web.live.limits import Limits
from opengiro.web.live.poll import LongPoll
from opengiro.web.live.seats import Seats
from opengiro.web.live.sse import EventStream
from opengiro.web.live.visitor import turned
from opengiro.web.live.websocket import Socket

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Send

    from opengiro.usecases import Core
    from opengiro.web.live.visitor import Visitor

_SCRIPT = (Path(__file__).parent / "static" / "live.js").read_bytes()
_SCRIPT_GZIPPED = gzip.compress(_SCRIPT, 9, mtime=0)
_SCRIPT_HEADERS = {
    "Cache-Control": "public, max-age=3600",
    "Vary": "Accept-Encoding",
    # Shops import it as a module from their own pages; it is the same for everybody and holds nothing.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def live(core: Core, limits: Limits | None = None, seats: Seats | None = None) -> Sequence[BaseRoute]:
    """Return the routes by which browsers follow a payment."""
    limits = limits or Limits()
    seats = seats or Seats(limits)
    payment = "/live/{payment_id}"
    return [
        Route("/live/live.js", _script, methods=["GET", "HEAD"]),
        Route(payment + "/events", Door(core, limits, "GET", EventStream(core, seats, limits))),
        Route(payment + "/poll", Door(core, limits, "GET", LongPoll(core, seats, limits))),
        Route(payment + "/token", Door(core, limits, "POST", Renewal(core))),
        WebSocketRoute(payment + "/socket", Socket(core, seats, limits)),
    ]


class Renewal:
    """Gives whoever holds a token the next one."""

    def __init__(self, core: Core) -> None:
        """Renew tokens of `core`."""
        self._core = core

    async def __call__(self, visitor: Visitor, request: Request, send: Send) -> None:
        """Answer with a token that lives as long again, while the payment is not final."""
        try:
            grant = await renew_live_token(self._core, visitor.holder)
        except Refused as refused:
            raise turned(refused) from None
        body = msgspec.json.encode({"token": grant.token, "expires_in": int(grant.life.total_seconds())})
        answer = Response(body, headers=cors(visitor.origin), media_type="application/json")
        await answer(request.scope, request.receive, send)


async def _script(request: Request) -> Response:
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = _SCRIPT_HEADERS | {"Content-Encoding": "gzip"}
        return Response(_SCRIPT_GZIPPED, headers=headers, media_type="text/javascript")
    return Response(_SCRIPT, headers=_SCRIPT_HEADERS, media_type="text/javascript")
