"""What one follower has not been told yet. All transports read from here, so all tell the same.

1. Whoever follows listens for the bell first, then reads: a ring between the two is not lost.
2. A ring carries nothing. The rows are read after it, from the last move that was told.
3. Every beat looks whether there was a move without a ring, which is rare and never certain not to happen.
4. The token is looked up again before anything is told, so a revoked one learns nothing more.
5. While the database is away a follower stays and hears nothing new; it is rung when the database is back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from opengiro.domain.refusals import Refused
from opengiro.store import Unavailable
from opengiro.usecases.authenticate import authenticate
from opengiro.usecases.follow_payment import read_news
from opengiro.web.live.events import End, Event, end_event, state_event, step_event

if TYPE_CHECKING:
    from opengiro.usecases import Core
    from opengiro.web.live.visitor import Visitor


class Feed:
    """The unread rest of one payment's story, and how far its reader is."""

    __slots__ = ("_core", "_step", "_visitor", "_wants_steps", "after", "final")

    def __init__(
        self, core: Core, visitor: Visitor, after: int, step: str | None = None, *, steps: bool = True
    ) -> None:
        """Start after a known move, and from the step that was told last."""
        self._core = core
        self._visitor = visitor
        self._step = step
        self._wants_steps = steps
        self.after = after
        self.final = False  #: nothing will come any more

    @property
    def token_left_s(self) -> float:
        """How long the token is good for on its merchant's clock."""
        holder = self._visitor.holder
        if holder.expires_at is None:
            return math.inf
        return (holder.expires_at - self._core.now(holder.merchant_id)).total_seconds()

    async def news(self) -> list[Event]:
        """Return what was not told yet and count it as told; raises `Refused` when the token ended."""
        holder = await authenticate(self._core, self._visitor.token)
        news = await read_news(self._core, holder.merchant_id, self._visitor.payment_id, self.after)
        events = [state_event(moved) for moved in news.moves]
        if news.moves:
            self.after = news.moves[-1].ordinal
        if self._wants_steps and news.step is not None and news.step != self._step:
            self._step = news.step
            events.append(step_event(news.step))
        self.final = news.final
        return events

    async def missed(self) -> bool:
        """Tell whether the payment moved on without the bell having rung."""
        holder = self._visitor.holder
        moved = await self._core.store.payments.moved(holder.merchant_id, self._visitor.payment_id)
        return moved != self.after or self.token_left_s <= 0


async def follow(feed: Feed, rung: asyncio.Event, *, beat_s: float, life_s: float) -> AsyncIterator[Sequence[Event]]:
    """Yield events as they come, none for a beat or a ring without news, and an end at last.

    Raises `Unavailable` before the first of them, while an answer can still say so.

    `rung` is set by the bell, and when the reader left: the transport then gets its turn, and asks for no more.
    """
    now = asyncio.get_running_loop().time
    over_at, look, began = now() + life_s, True, False
    while True:
        rung.clear()
        events: list[Event] = []
        try:
            if look or await feed.missed():
                events = await feed.news()
            began = True
        except Refused:
            yield [end_event(End.TOKEN_ENDED)]
            return
        except Unavailable:
            if not began:
                raise
        if feed.final:
            yield [*events, end_event(End.FINAL)]
            return
        if now() >= over_at:
            yield [*events, end_event(End.RECONNECT)]
            return
        yield events
        try:
            look = await _rings(rung, min(beat_s, over_at - now(), feed.token_left_s))
        except asyncio.CancelledError:  # the server stops: followers go on at the next one, which is no malfunction
            _stay()
            yield [end_event(End.RECONNECT)]
            return


async def _rings(rung: asyncio.Event, within_s: float) -> bool:
    """Wait for the bell; return whether it rang in time."""
    try:
        async with asyncio.timeout(max(0.0, within_s)):
            await rung.wait()
    except TimeoutError:
        return False
    return True


def _stay() -> None:
    """Take back the cancellation of this task, which has an ending of its own."""
    if task := asyncio.current_task():
        task.uncancel()
