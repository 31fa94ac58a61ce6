"""Receivers on loopback that speak raw HTTP, so that they can also misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Behave = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Sink:
    """A receiver: counts connections, keeps requests, answers as it is told."""

    port: int = 0
    connections: int = 0
    requests: list[Request] = field(default_factory=list)
    torn: list[bytes] = field(default_factory=list)  #: what each connection that was closed had begun to say
    behave: Behave | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection."""
        self.connections += 1
        with contextlib.suppress(ConnectionError):
            try:
                while True:
                    request = await _read(reader)
                    self.requests.append(request)
                    await (self.behave or answer(200))(request, writer)
            except asyncio.IncompleteReadError as ended:
                self.torn.append(ended.partial)
        writer.close()


def answer(status: int, body: bytes = b"", **headers: str) -> Behave:
    """Behave well, with this status."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return behave


async def hang(_: Request, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def sink(behave: Behave | None = None, *, host: str = "127.0.0.1", **options: object) -> AsyncIterator[Sink]:
    """Run a receiver; `host` 0.0.0.0 listens on every local address."""
    found = Sink(behave=behave)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(found.serve(reader, writer))
        found.tasks.add(task)
        task.add_done_callback(found.tasks.discard)

    server = await asyncio.start_server(accept, host, 0, **options)  # type: ignore[arg-type]
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(found.tasks):
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line, headers, body)
