"""The log of a SQLite file, on its way to the disk and from there into the file.

SQLite would do both within a commit, while nobody else can write. Here a commit only hands its pages to the kernel.
Whoever committed then waits for the disk, when the turn is another's already, and an emptier of its own moves what is
in the log into the file while the writing goes on. It needs a turn for a moment only: to begin the log anew.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from opengiro.store.engines import Unavailable
from opengiro.store.engines.turn import Turn

if sys.platform == "darwin":
    import fcntl

_EMPTY_AFTER = 4_000
"""So many rows written by this process make about 5 MB of log."""
_ANEW_AFTER = 2_500
"""So many pages in the log, 10 MB, are worth a turn. It keeps that size: to write over what is there costs less."""
_READERS_MS = 50
"""How long the turn may be kept for readers who still look at the log."""
_CLOSING_S = 5.0

_log = structlog.get_logger("opengiro.store")


class WriteAheadLog:
    """The log beside a database file; one for each process that writes."""

    def __init__(self, database: Path, connect: Callable[[Path], sqlite3.Connection]) -> None:
        """Open the log of a database that is open, and so has one."""
        self._file = os.open(f"{database}-wal", os.O_RDWR | os.O_CLOEXEC)  # Windows flushes for writers only
        self._lost: OSError | None = None
        self._written = 0
        self._turn = Turn(database)
        self._connection = connect(database)
        self._connection.execute(f"PRAGMA busy_timeout={_READERS_MS}")
        self._more: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="sqlite-log", daemon=True)
        self._thread.start()

    def secure(self, rows: int = 0) -> None:
        """Return when all that was committed by now, by whomever, is on the disk; `rows` of it are this process's own.

        Raises `Unavailable` when the disk did not take it, and ever after: the kernel tells of a page that it could
        not write once, and then forgets that it should have.
        """
        if self._lost:
            raise Unavailable("the disk did not take what was written before") from self._lost
        try:
            _flush(self._file)
        except OSError as trouble:
            self._lost = trouble
            _log.critical("disk failed, nothing is saved until a restart", error=trouble.errno)
            raise Unavailable("the disk did not take what was written") from trouble
        self._written += rows
        if self._written >= _EMPTY_AFTER:
            self._written = 0
            self._more.put(item=True)

    def close(self) -> None:
        """Let go of the log; the last connection to the database empties it."""
        self._more.put(item=False)
        self._thread.join(_CLOSING_S)
        if self._thread.is_alive():  # its turn does not come
            return
        self._connection.close()
        self._turn.close()
        os.close(self._file)

    def _work(self) -> None:
        while self._more.get():
            with contextlib.suppress(sqlite3.OperationalError):  # another process empties it, or its disk is full
                self._empty()

    def _empty(self) -> None:
        """Move what is there into the file; if that was much, also what came meanwhile, and begin the log anew."""
        busy, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if not busy and pages > _ANEW_AFTER:
            with self._turn:
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def _flush(file: int) -> None:
    if sys.platform == "darwin":  # its fsync does not wait for the disk
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    elif sys.platform == "linux":
        os.fdatasync(file)
    else:
        os.fsync(file)
