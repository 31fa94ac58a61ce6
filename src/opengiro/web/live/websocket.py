"""WebSocket: the same events as text messages of one JSON object each, and a `ping` as beat.

The query's `last_event_id` says from where to go on; without it the first message has to, as `{"after": n}`.
Waiting for one of the two means that nothing is told before it is known what the follower knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import HTTPConnection

from opengiro.store import Unavailable
from opengiro.usecases.follow_payment import FROM_THE_START
from opengiro.web.live.events import End, Event
from opengiro.web.live.feed import Feed, follow
from opengiro.web.live.presence import send_within, watching
from opengiro.web.live.seats import NoSeat
from opengiro.web.live.visitor import SUBPROTOCOL, Turned, Visitor, admit, known_so_far

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from opengiro.usecases import Core
    from opengiro.web.live.limits import Limits
    from opengiro.web.live.seats import Seats

BEAT = b'{"type":"ping"}'
_CODES = MappingProxyType({End.FINAL: 1000, End.RECONNECT: 1001, End.TOKEN_ENDED: 4401})
_NO_HELLO = 4408
_AWAY = 1013
_HELLO_BYTES_MAX = 256


class Hello(msgspec.Struct, frozen=True):
    """The first message: the last event that the follower knows."""

    after: int = FROM_THE_START


_read_hello = msgspec.json.Decoder(Hello).decode


class Socket:
    """Tells a payment's events to a `WebSocket`."""

    def __init__(self, core: Core, seats: Seats, limits: Limits) -> None:
        """Seat followers among all others."""
        self._core = core
        self._seats = seats
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a follower in, or refuse the handshake."""
        await receive()  # websocket.connect
        caller = HTTPConnection(scope)
        try:
            visitor = await admit(self._core, caller)
            with self._seats.take(visitor.token, visitor.ip):
                await self._accept(scope, send)
                try:
                    await self._tell(visitor, caller, receive, send)
                except Unavailable:
                    await send({"type": "websocket.close", "code": _AWAY, "reason": "unavailable"})
        except (Turned, NoSeat) as refused:
            await _deny(refused.status, scope, send)
        except Unavailable:
            await _deny(503, scope, send)

    async def _accept(self, scope: Scope, send: Send) -> None:
        chosen = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})

    async def _tell(self, visitor: Visitor, caller: HTTPConnection, receive: Receive, send: Send) -> None:
        after = known_so_far(caller)
        if after is None:
            after = await self._hello(receive)
        if after is None:
            await send({"type": "websocket.close", "code": _NO_HELLO, "reason": "hello_missing"})
            return
        limits, feed = self._limits, Feed(self._core, visitor, after)
        with self._core.bell.listen(visitor.holder.merchant_id, visitor.payment_id) as rung:
            async with watching(receive, rung) as presence:
                async for events in follow(feed, rung, beat_s=limits.beat_s, life_s=limits.life_s):
                    if presence.gone:
                        return
                    await self._write(events, send)

    async def _hello(self, receive: Receive) -> int | None:
        """Return what the follower says it knows, or None when it says nothing that we understand."""
        try:
            async with asyncio.timeout(self._limits.hello_s):
                message = await receive()
            text = message.get("text") or ""
            return _read_hello(text).after if len(text) <= _HELLO_BYTES_MAX else None
        except (TimeoutError, msgspec.MsgspecError):
            return None

    async def _write(self, events: Sequence[Event], send: Send) -> None:
        for body in [event.body for event in events] or [BEAT]:
            message = {"type": "websocket.send", "text": body.decode()}
            await send_within(send, message, self._limits.send_s)
        if events and (end := events[-1].end):
            close = {"type": "websocket.close", "code": _CODES[end], "reason": end.value}
            await send_within(send, close, self._limits.send_s)


async def _deny(status: int, scope: Scope, send: Send) -> None:
    """Refuse the handshake with a status, where the server can say one."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})
