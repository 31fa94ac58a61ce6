"""Long poll, for networks that let no stream through: a stream of one batch, answered as one JSON document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from opengiro.usecases.follow_payment import FROM_THE_START
from opengiro.web.live.door import cors
from opengiro.web.live.events import End, Event
from opengiro.web.live.feed import Feed, follow
from opengiro.web.live.presence import watching
from opengiro.web.live.visitor import Turned

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Send

    from opengiro.usecases import Core
    from opengiro.web.live.limits import Limits
    from opengiro.web.live.seats import Seats
    from opengiro.web.live.visitor import Visitor

_AFTER = re.compile(r"-1|[0-9]{1,16}", re.ASCII)
_WAIT = re.compile(r"[0-9]{1,4}", re.ASCII)


class LongPoll:
    """Answers as soon as there is something that the caller does not know."""

    def __init__(self, core: Core, seats: Seats, limits: Limits) -> None:
        """Seat followers among all others."""
        self._core = core
        self._seats = seats
        self._limits = limits

    async def __call__(self, visitor: Visitor, request: Request, send: Send) -> None:
        """Wait at most as long as asked for, then answer with what there is."""
        query = request.query_params
        after = _number(query.get("after", ""), _AFTER, FROM_THE_START)
        wait_s = min(_number(query.get("wait", ""), _WAIT, int(self._limits.poll_s)), self._limits.poll_s)
        # Without the step that it knows, a caller would be answered at once each time: it then hears of none.
        feed = Feed(self._core, visitor, after, query.get("step"), steps="step" in query)
        with (
            self._seats.take(visitor.token, visitor.ip),
            self._core.bell.listen(visitor.holder.merchant_id, visitor.payment_id) as rung,
        ):
            async with watching(request.receive, rung) as presence:
                found: list[Event] = []
                async for events in follow(feed, rung, beat_s=self._limits.beat_s, life_s=wait_s):
                    found = [event for event in events if event.end is not End.RECONNECT]
                    if found or presence.gone:
                        break
        body = b'{"events":[%s]}' % b",".join(event.body for event in found)
        answer = Response(body, headers=cors(visitor.origin), media_type="application/json")
        await answer(request.scope, request.receive, send)


def _number(text: str, form: re.Pattern[str], otherwise: int) -> int:
    if not text:
        return otherwise
    if not form.fullmatch(text):
        raise Turned(400, "query_invalid")
    return int(text)
