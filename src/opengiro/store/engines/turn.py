"""Whose turn it is to write a SQLite file, among the processes of one machine.

SQLite itself would sleep and look again, so whoever happens to sleep starves. Here the kernel wakes who waits, and
takes the turn back from a process that died. One that froze keeps it: nobody else could write then in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from opengiro.store.engines import Unavailable

if sys.platform != "win32":  # there one process has every turn
    import fcntl

_LOOK_S = 0.05


class Turn:
    """A lock that lives in a file beside the database, which stays empty."""

    def __init__(self, database: Path) -> None:
        """Open the file, or make it."""
        self._file = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        """Wait for the turn, however long that takes."""
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Let the next one write."""
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """Have the turn for the block; raises `Unavailable` when it does not come in time."""
        patience = time.monotonic() + seconds
        while not self._try():
            if time.monotonic() > patience:
                raise Unavailable("another process does not stop writing")
            await asyncio.sleep(_LOOK_S)
        try:
            yield
        finally:
            self.__exit__()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _try(self) -> bool:
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True
