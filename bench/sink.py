"""Receivers of webhooks in a process of their own: /ok/N answers at once, /hang/N never does.

What arrived is kept with the time of its arrival and told on GET /report, which also forgets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PAYMENT = re.compile(rb'"id": ?(\d+)')
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Arrival(msgspec.Struct, array_like=True):
    """One webhook that came: where to, of which payment, and when in seconds since 1970."""

    path: str
    payment_id: int
    at: float


@dataclass(slots=True)
class Sink:
    """The receivers, from outside."""

    port: int

    def url(self, path: str) -> str:
        """Return the address of a receiver."""
        return f"http://127.0.0.1:{self.port}{path}"

    def report(self) -> list[Arrival]:
        """Return what came since the last report."""
        with urllib.request.urlopen(self.url("/report"), timeout=60) as answer:  # noqa: S310  # our own loopback
            return msgspec.json.decode(answer.read(), type=list[Arrival])


@contextlib.contextmanager
def sinking() -> Iterator[Sink]:
    """Run the receivers for as long as the block lasts."""
    command = [sys.executable, "-m", "bench.sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Sink(int(process.stdout.readline() if process.stdout else 0))
        finally:
            process.terminate()


class _Receiver(asyncio.Protocol):
    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        at = time.time()
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < size:
            return
        request, self._buffer = self._buffer[:size], self._buffer[size:]
        self._answer(request, request.split(b" ", 2)[1].decode(), at)

    def _answer(self, request: bytes, path: str, at: float) -> None:
        if path == "/report":
            body = msgspec.json.encode(self._arrivals)
            self._arrivals.clear()
            self._write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            return
        found = _PAYMENT.search(request)
        self._arrivals.append(Arrival(path, int(found[1]) if found else 0, at))
        if path.startswith("/ok/"):
            self._write(_OK)

    def _write(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]  # a stream's transport writes


async def _serve() -> None:
    arrivals: list[Arrival] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Receiver(arrivals), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
