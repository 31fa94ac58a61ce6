"""Server-Sent Events: a response that does not end while there is something to follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.responses import Response

from opengiro.usecases.follow_payment import FROM_THE_START
from opengiro.web.live.door import cors
from opengiro.web.live.events import End, Event
from opengiro.web.live.feed import Feed, follow
from opengiro.web.live.presence import send_within, watching
from opengiro.web.live.visitor import known_so_far

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Send

    from opengiro.usecases import Core
    from opengiro.web.live.limits import Limits
    from opengiro.web.live.seats import Seats
    from opengiro.web.live.visitor import Visitor

BEAT = b": beat\n\n"
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would collect events until its buffer is full
}


class EventStream:
    """Tells a payment's events to an `EventSource`."""

    def __init__(self, core: Core, seats: Seats, limits: Limits) -> None:
        """Seat followers among all others."""
        self._core = core
        self._seats = seats
        self._limits = limits

    async def __call__(self, visitor: Visitor, request: Request, send: Send) -> None:
        """Stream until the payment, the token, the reader or the stream's time ends."""
        after = known_so_far(request)
        feed = Feed(self._core, visitor, FROM_THE_START if after is None else after)
        limits = self._limits
        with (
            self._seats.take(visitor.token, visitor.ip),
            self._core.bell.listen(visitor.holder.merchant_id, visitor.payment_id) as rung,
        ):
            batches = follow(feed, rung, beat_s=limits.beat_s, life_s=limits.life_s)
            first = await anext(batches)
            if [event.end for event in first] == [End.FINAL]:
                # An EventSource comes again after every end, until it is told that there is no content.
                await Response(status_code=204, headers=cors(visitor.origin))(request.scope, request.receive, send)
                return
            async with watching(request.receive, rung) as presence:
                await self._open(visitor, first, send)
                async for events in batches:
                    if presence.gone:
                        return
                    await self._write(b"".join(map(frame, events)) or BEAT, send)
                await self._write(b"", send, more=False)

    async def _open(self, visitor: Visitor, first: Sequence[Event], send: Send) -> None:
        headers = [(k.lower().encode(), v.encode()) for k, v in (_HEADERS | cors(visitor.origin)).items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        hint = f"retry: {self._limits.reconnect_s * 1000:.0f}\n\n".encode()
        await self._write(hint + b"".join(map(frame, first)), send)

    async def _write(self, body: bytes, send: Send, *, more: bool = True) -> None:
        message = {"type": "http.response.body", "body": body, "more_body": more}
        await send_within(send, message, self._limits.send_s)


def frame(event: Event) -> bytes:
    """Return an event as the stream spells it; a notice has no id, so the reader's last id stays a move's."""
    number = b"" if event.ordinal is None else b"id: %d\n" % event.ordinal
    return b"%sdata: %s\n\n" % (number, event.body)
