"""The line between a server's parent process and one child: settings go down it, and `ready` comes up.

It is a socket pair. Whichever side finds the other gone ends, so no child outlives its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.settings import Settings

READY = b"ready"
_SIZE_BYTES = 4


class Role(StrEnum):
    """What a child is there for."""

    WEB = "web"
    WORK = "work"


class Parent:
    """The child's end of the socket pair."""

    def __init__(self, descriptor: int) -> None:
        """Take over the descriptor the parent passed on."""
        self._line = socket.socket(fileno=descriptor)

    def settings(self) -> Settings:
        """Return the settings that the parent was started with."""
        size = int.from_bytes(self._read(_SIZE_BYTES), "big")
        settings: Settings = pickle.loads(self._read(size))  # noqa: S301  # our own parent wrote it
        return settings

    def tell_ready(self) -> None:
        """Say that this child does its work."""
        with contextlib.suppress(OSError):
            self._line.send(READY)

    def when_gone(self, then: Callable[[], None]) -> None:
        """Call `then` once the parent is gone."""
        running = asyncio.get_running_loop()

        def look() -> None:
            running.remove_reader(self._line)
            then()

        running.add_reader(self._line, look)

    def _read(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            piece = self._line.recv(size - len(read))
            if not piece:
                raise SystemExit(1)  # the parent died before it said anything
            read += piece
        return read


def send_settings(line: socket.socket, settings: Settings) -> None:
    """Tell a child, from the parent's end, by what settings it runs."""
    body = pickle.dumps(settings)
    line.sendall(len(body).to_bytes(_SIZE_BYTES, "big") + body)
