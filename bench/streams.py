"""Browsers that follow payments and do nothing else: thousands of event streams held by one process.

It reads `port seconds` and one `payment_id token` a line, opens a stream for each, says how many were told their first
event, holds them, and says how many are still open. Twenty share an address, as a server allows no more.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

PER_ADDRESS = 20
_AT_ONCE = 64
"""More connections that are opened at a moment would wait in the server's queue, and some be refused."""
_PATIENCE_S = 120


class Streams:
    """The streams, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait until all are open."""
        self._process = process
        self.opened = self._number()

    def _number(self) -> int:
        return int((self._process.stdout.readline() if self._process.stdout else "") or 0)

    def close(self) -> int:
        """Close them and return how many were still open."""
        if self._process.stdin:
            self._process.stdin.close()
        return self._number()


@contextlib.contextmanager
def streaming(port: int, seats: Sequence[tuple[int, str]]) -> Iterator[Streams]:
    """Follow these payments with these tokens for as long as the block lasts."""
    command = [sys.executable, "-m", "bench.streams"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None:
            raise RuntimeError("no pipe to the streams")
        process.stdin.write(f"{port} {len(seats)}\n" + "".join(f"{number} {token}\n" for number, token in seats))
        process.stdin.flush()
        try:
            yield Streams(process)
        finally:
            process.terminate()


class _Reader:
    """All open streams: how many were told something, and how many ended."""

    def __init__(self) -> None:
        self.told: set[int] = set()
        self._begun: set[int] = set()
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}

    def open(self, port: int, address: str, payment_id: int, token: str) -> None:
        stream = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S, source_address=(address, 0))
        request = f"GET /live/{payment_id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
        stream.sendall(request.encode())
        self._open[stream.fileno()] = stream
        self._poll.register(stream, select.EPOLLIN)

    @property
    def count(self) -> int:
        return len(self._open)

    def read(self, within_s: float) -> None:
        """Take what came; a stream whose first answer is no 200 counts as never opened."""
        for number, _ in self._poll.poll(within_s):
            data = self._open[number].recv(65_536)
            if data.startswith(b"HTTP/1.1 200"):
                self._begun.add(number)
            if data and number in self._begun:
                if b"data:" in data:
                    self.told.add(number)
            else:
                self._poll.unregister(number)
                self._open.pop(number).close()
                self.told.discard(number)


def main() -> None:
    """Open the streams, hold them until the input ends, and tell how many are left."""
    port, count = map(int, sys.stdin.readline().split())
    reader, deadline = _Reader(), time.monotonic() + _PATIENCE_S
    for at in range(count):
        payment_id, token = sys.stdin.readline().split()
        reader.open(port, _address(at // PER_ADDRESS), int(payment_id), token)
        while reader.count - len(reader.told) >= _AT_ONCE and time.monotonic() < deadline:
            reader.read(0.1)
    while len(reader.told) < reader.count and time.monotonic() < deadline:
        reader.read(0.1)
    _say(len(reader.told))
    while not select.select([sys.stdin], [], [], 0)[0]:
        reader.read(0.2)
    _say(len(reader.told))


def _address(number: int) -> str:
    """Return an address of loopback, which all of 127.0.0.0/8 is on Linux."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
