"""Notice that a reader left, and that one stopped reading: both give their seat back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send

_LEFT = frozenset({"http.disconnect", "websocket.disconnect"})


class Presence:
    """Whether the reader is still there."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        """Start with a reader."""
        self.gone = False


@contextlib.asynccontextmanager
async def watching(receive: Receive, rung: asyncio.Event) -> AsyncIterator[Presence]:
    """Watch the reader for the length of the block; ring when they leave. What they send is thrown away."""
    presence = Presence()

    async def watch() -> None:
        while (await receive())["type"] not in _LEFT:
            pass
        presence.gone = True
        rung.set()

    task = asyncio.create_task(watch())
    try:
        yield presence
    finally:
        task.cancel()


async def send_within(send: Send, message: Message, within_s: float) -> None:
    """Send, or raise `TimeoutError` when the reader takes nothing: whoever stopped reading must not be kept."""
    async with asyncio.timeout(within_s):
        await send(message)
