"""A server that does nothing: it answers every request with the same bytes, to learn what the load generator costs."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator

import uvloop

_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1500\r\n\r\n" + b"{" + b" " * 1498 + b"}"
)


class _Nothing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        # The load generator sends one request at a time, and each fits into one read.
        self._transport.write(_ANSWER)  # type: ignore[attr-defined]  # a stream's transport writes


@contextlib.contextmanager
def serving_nothing() -> Iterator[int]:
    """Yield the port of such a server in a process of its own."""
    command = [sys.executable, "-m", "bench.nothing"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline() if process.stdout else 0)
        finally:
            process.terminate()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Nothing, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
