"""One line for each request, as JSON: which route, how it ended, how long it took, for which merchant, under which id.

Nothing a caller wrote gets in: no path, no query, no header but an id that has the form of one. Lines are written a
few at a time, because a write for each would cost more than the line; the last fifth of a second dies with a process
that is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

_FLUSH_S = 0.2
_LINES_MAX = 500


class Line(msgspec.Struct, omit_defaults=True):
    """What is told of a request. `number` is what an error of ours calls it, where the caller gave it another id."""

    request_id: str
    wire: str
    method: str
    route: str
    status: int
    ms: float
    merchant_id: int | None = None
    number: int | None = None
    event: str = msgspec.field(default="")
    level: str = msgspec.field(default="")
    timestamp: datetime | None = None


_encode = msgspec.json.Encoder().encode


class Journal:
    """Collects lines and hands them to `write`."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """Begin empty."""
        self._write = write
        self._lines: list[bytes] = []
        self._waiting = False

    def add(self, line: Line) -> None:
        """Write a line soon."""
        line.event, line.level, line.timestamp = "request", "info", datetime.now(UTC)
        self._lines.append(_encode(line))
        if len(self._lines) >= _LINES_MAX:
            self.flush()
        elif not self._waiting:
            self._waiting = True
            asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what is there."""
        self._waiting = False
        if self._lines:
            lines, self._lines = self._lines, []
            self._write(b"\n".join(lines) + b"\n")
