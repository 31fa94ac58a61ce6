"""A way to the database that can fall silent: bytes arrive, no answer comes, and no connection ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(slots=True)
class Weather:
    """What lies between the engine and its server."""

    url: str  #: the database, by this way
    silent: bool = False  #: whether what connects or is sent from now on is lost
    connections: int = 0  #: how many were made so far


@contextlib.asynccontextmanager
async def weather(url: str) -> AsyncIterator[Weather]:
    """Open such a way; whoever fell silent stays so."""
    parts = urlsplit(url)
    sky, tasks = Weather(""), set[asyncio.Task[None]]()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sky.connections += 1
        if sky.silent:
            await asyncio.Event().wait()
        there = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if sky.silent:
                    await asyncio.Event().wait()
                writer.write(data)
        writer.close()

    def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(meet(reader, writer)))

    server = await asyncio.start_server(arrive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sky.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    try:
        yield sky
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
