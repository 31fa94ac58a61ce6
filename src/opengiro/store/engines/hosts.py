"""The hosts of one database, of which one at a time can be written to: which one it is changes, and nobody tells us."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from opengiro.store.engines import Unavailable

STAGGER_S = 0.25
"""So long a host is waited for before the next one is asked as well."""
AGAIN_S = 0.25
"""After so long a host that said no is asked again: it may be the primary by then."""

Ask = Callable[[str, float], Awaitable[Any]]
"""Opens a connection by a URL within some seconds; raises `Unavailable` when that host cannot be written to now."""


class Hosts:
    """The hosts that a URL names, in the order in which they are asked: the last that was right comes first."""

    def __init__(self, url: str, ask: Ask) -> None:
        """Ask nobody yet."""
        self._urls = deque(one_host_each(url))
        self._ask = ask

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self._urls) > 1

    async def open(self, within_s: float) -> Any:
        """Return a connection to the one that can be written to.

        A single host is asked once. Of several each is asked until one says yes: a host that keeps silent holds up
        nobody, and one that becomes the primary meanwhile is found.
        """
        if not self.several:
            return await self._ask(self._urls[0], within_s)
        over = time.monotonic() + within_s
        asked = tuple(self._urls)
        calls = [asyncio.create_task(self._insist(url, place * STAGGER_S, over)) for place, url in enumerate(asked)]
        unwanted = set(calls)
        try:
            chosen = await _first_to_succeed(calls)
            unwanted.remove(chosen)
        finally:
            _let_go(unwanted)
        self._prefer(asked[calls.index(chosen)])
        return chosen.result()

    def distrust(self) -> None:
        """Ask the host that was right so far after all others: it lets us in and then does nothing."""
        self._urls.rotate(-1)

    def _prefer(self, url: str) -> None:
        self._urls.remove(url)
        self._urls.appendleft(url)

    async def _insist(self, url: str, after_s: float, over: float) -> Any:
        await asyncio.sleep(after_s)
        while True:
            try:
                return await self._ask(url, max(0.0, over - time.monotonic()))
            except Unavailable:
                if time.monotonic() + AGAIN_S > over:
                    raise
            await asyncio.sleep(AGAIN_S)


def one_host_each(url: str) -> list[str]:
    """Return a URL for each host that `url` names: `postgresql://user@one,two/db` has two."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=user + at + host)) for host in hosts.split(",")]


async def _first_to_succeed(calls: list[asyncio.Task[Any]]) -> asyncio.Task[Any]:
    """Return it; when none does, what is raised says first of all that one may still succeed later."""
    left = set(calls)
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for call in done:
            if call.exception() is None:
                return call
    troubles = [trouble for call in calls if (trouble := call.exception())]
    raise next((one for one in troubles if isinstance(one, Unavailable)), troubles[0])


def _let_go(calls: set[asyncio.Task[Any]]) -> None:
    for call in calls:
        call.add_done_callback(_discard)
        call.cancel()


def _discard(call: asyncio.Task[Any]) -> None:
    """Close a connection that came too late."""
    if not call.cancelled() and call.exception() is None:
        call.result().terminate()
