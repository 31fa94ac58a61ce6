"""What the HTTP transports share: one method, the preflight, admission, a seat, and CORS for the exact origin.

A preflight carries no token, so it cannot know the merchant. It lets any page ask, and the call itself is judged:
a page of an unregistered origin gets 403 without the header that would let it read even that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from opengiro.store import Unavailable
from opengiro.web.live.seats import NoSeat
from opengiro.web.live.visitor import Turned, Visitor, admit

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from opengiro.usecases import Core
    from opengiro.web.live.limits import Limits

_DAY_S = "86400"


class Transport(Protocol):
    """One way to answer a follower who was let in."""

    async def __call__(self, visitor: Visitor, request: Request, send: Send) -> None:
        """Answer; raises `Turned` or `NoSeat` before the first byte."""


class Door:
    """An ASGI app before a transport. It is bare because a stream would keep every layer above it in memory."""

    def __init__(self, core: Core, limits: Limits, method: str, transport: Transport) -> None:
        """Open for one method."""
        self._core = core
        self._limits = limits
        self._method = method
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the caller in, or say in JSON why not."""
        request = Request(scope, receive)
        origin = request.headers.get("origin")
        if request.method == "OPTIONS":
            await Response(status_code=204, headers=self._preflight(origin))(scope, receive, send)
            return
        try:
            visitor = await self._admit(request)
            origin = visitor.origin
            await self._transport(visitor, request, send)
        except Turned as turned:
            readable = None if turned.status == 403 else origin
            await refusal(turned, cors(readable) | self._allow(turned))(scope, receive, send)
        except Unavailable:
            again = {"Retry-After": str(self._limits.retry_after_s)}
            await refusal(Turned(503, "unavailable"), cors(origin) | again)(scope, receive, send)
        except NoSeat as full:
            again = {"Retry-After": str(self._limits.retry_after_s)}
            code = "too_many_streams" if full.status == 429 else "no_capacity"
            await refusal(Turned(full.status, code), cors(origin) | again)(scope, receive, send)

    async def _admit(self, request: Request) -> Visitor:
        if request.method != self._method:
            raise Turned(405, "method_not_allowed")
        return await admit(self._core, request)

    def _preflight(self, origin: str | None) -> dict[str, str]:
        return cors(origin) | {
            "Access-Control-Allow-Methods": self._method,
            "Access-Control-Allow-Headers": "Authorization, Last-Event-ID, Content-Type",
            "Access-Control-Max-Age": _DAY_S,
        }

    def _allow(self, turned: Turned) -> dict[str, str]:
        return {"Allow": f"{self._method}, OPTIONS"} if turned.status == 405 else {}


def cors(origin: str | None) -> dict[str, str]:
    """Return the headers that let a page of this origin read the answer; no cookie is ever asked for."""
    vary = {"Vary": "Origin"}
    return vary | {"Access-Control-Allow-Origin": origin} if origin else vary


def refusal(turned: Turned, headers: Mapping[str, str]) -> Response:
    """Return an answer that says why not in a word."""
    return Response(msgspec.json.encode({"code": turned.code}), turned.status, headers, "application/json")
