"""What processes call out to each other through PostgreSQL: short texts that nobody keeps.

Who listens has a connection for that alone. Calling out is a statement of its own, outside of every transaction: a
NOTIFY inside one makes all commits of the server wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opengiro.store.engines import Unavailable
from opengiro.store.engines.connections import BROKEN

if TYPE_CHECKING:
    from opengiro.store.engines.postgres import Postgres

_NAME = "opengiro"
_PROBE_S = 5.0
"""A connection that only listens would not notice by itself that its server is gone."""


class ServerChannel:
    """The one channel of a database."""

    def __init__(self, engine: Postgres) -> None:
        """Use the engine's way to the server; nothing is opened yet."""
        self._engine = engine

    async def call(self, text: str) -> None:
        """Say it to all who listen now; raises `Unavailable`."""
        await self._engine.fetch_text("SELECT pg_notify($1, $2)", (_NAME, text))

    async def listen(self, begun: Callable[[], None], hear: Callable[[str], None]) -> None:
        """Call `begun` and then `hear` for each text, until the connection is lost: then raise `Unavailable`."""
        raw = await self._engine.connect()
        lost = asyncio.Event()
        raw.add_termination_listener(lambda _: lost.set())
        try:
            await raw.add_listener(_NAME, lambda *heard: hear(heard[-1]))
            begun()
            while not lost.is_set():
                await _probe(raw, lost)
        except (TimeoutError, *BROKEN) as trouble:
            raise Unavailable(str(trouble)) from trouble
        finally:
            raw.terminate()
        raise Unavailable("the connection that listens was lost")


async def _probe(raw: Any, lost: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_PROBE_S):
            await lost.wait()
    except TimeoutError:
        async with asyncio.timeout(_PROBE_S):
            await raw.execute("SELECT 1")
