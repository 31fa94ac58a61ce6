"""A bank on loopback that says and does exactly what a test wrote down, faults included, one act a request."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedBank:
    """Plays its script; `received` is what really reached it."""

    url: str = ""
    script: deque[Act] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)

    def will(self, *acts: Act) -> None:
        self.script.extend(acts)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.received.append(await _read(reader))
            await self.script.popleft()(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted_bank() -> AsyncIterator[ScriptedBank]:
    bank = ScriptedBank()
    server = await asyncio.start_server(bank.meet, "127.0.0.1", 0)
    bank.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/psd2"
    yield bank
    server.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, path, _ = head.split(" ")
    headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


def say(status: int, body: Any = None, **headers: str) -> Act:
    """Answer; a body that is not bytes is written as JSON. Underscores in header names stand for dashes."""

    async def act(writer: asyncio.StreamWriter) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()

    return act


async def hang(writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.sleep(3600)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Take the request and close the connection."""


async def reset(writer: asyncio.StreamWriter) -> None:
    """Take the request and reset the connection."""
    writer.transport.abort()


async def break_off(writer: asyncio.StreamWriter) -> None:
    """Begin an answer and stop in the middle of it."""
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"transactionStatus"')
    await writer.drain()
