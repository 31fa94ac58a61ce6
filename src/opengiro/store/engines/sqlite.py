"""SQLite: one writer thread that shares each wait for the disk among all commands, and a reader beside it.

The batch is whatever queued while the last one committed, or while another process had its turn, so a lone command
pays no delay. What one round of the event loop asks for is queued together: else the writer would take the first alone,
and the others wait for it. A batch is first run as if nobody could collide, then with a savepoint and a verdict for
each command, and at last one by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import re
import sqlite3
import threading
import time
from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from opengiro.store.engines import Conflict, Row, Unavailable, Write
from opengiro.store.engines.turn import Turn
from opengiro.store.engines.write_ahead_log import WriteAheadLog
from opengiro.store.statements import statements
from opengiro.telemetry.meters import BATCHES

_BATCH_MAX = 64
_PATIENCE_S = 5.0
"""How long a command may wait for its turn, and how long for a program that is none of ours and writes."""
_LOOK_S = 0.5
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PLACEHOLDER = re.compile(r"\$(\d+)")
_PLAIN_INSERT = re.compile(r"(?:--.*\n)*INSERT INTO \w+ \([\w\s,]+\)\s+VALUES \([?\d\s,]+\)", re.ASCII)

_Verdict = list[list[Row]] | Exception


class _Job(NamedTuple):
    writes: Sequence[Write]
    done: Future[list[list[Row]]]
    asked_at: float


def translate(sql: str) -> str:
    """Turn `$1` into SQLite's `?1`."""
    return _PLACEHOLDER.sub(r"?\1", sql)


class Sqlite:
    """A database file with write-ahead log; every commit is on disk before it is acknowledged."""

    kind = "sqlite"

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """Open or create the file and start its writer; `shared` says that other servers' processes have it open."""
        self.path = path
        self.shared = shared
        self._sql = {name: translate(text) for name, text in statements().items()}
        # One that ran has added its row, so it needs no counting and may share a call with its like.
        self._plain = frozenset(name for name, text in self._sql.items() if _PLAIN_INSERT.fullmatch(text))
        path.touch(mode=0o600, exist_ok=True)  # the log beside it takes over its mode
        self._turn = Turn(path)
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only=ON")
        self._log = WriteAheadLog(path, _connect)
        self._asked: list[_Job] = []
        self._waiting: deque[_Job] = deque()
        self._looking: asyncio.TimerHandle | None = None
        self._more: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def fetch(self, name: str, *params: Any) -> list[Row]:
        """Run one named query; it is short and indexed, so it runs where it was asked for."""
        return self._read(self._sql[name], params)

    async def fetch_text(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a query composed of allow-listed fragments."""
        return self._read(translate(sql), params)

    async def commit(self, writes: Sequence[Write]) -> list[list[Row]]:
        """Queue the statements for the writer. Cancelling the caller does not undo or stop the commit."""
        if self._closed:
            raise RuntimeError("the database is closed")
        loop = asyncio.get_running_loop()
        done: Future[list[list[Row]]] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._hand_over)
        self._asked.append(_Job(writes, done, time.monotonic()))
        return await done

    async def secure(self) -> None:
        """Wait for the disk: what another process saved is read before that process has waited for it."""
        await asyncio.to_thread(self._log.secure)

    async def script(self, sql: str, *, apart: bool = False) -> None:  # noqa: ARG002  # no statement has to
        """Run a migration in one transaction; only before traffic."""
        async with self._turn.within(_PATIENCE_S):
            try:
                self._writer.executescript(f"BEGIN IMMEDIATE;\n{sql}\nCOMMIT;")
            except sqlite3.Error:
                self._roll_back()
                raise
        self._log.secure()

    async def close(self) -> None:
        """Let the writer finish what it accepted, then close."""
        self._closed = True
        self._hand_over()
        self._more.put(item=False)
        await asyncio.to_thread(self._thread.join, _PATIENCE_S * 2)
        if self._looking:
            self._looking.cancel()
        if self._thread.is_alive():  # its turn does not come
            self._give_up(before=math.inf)
            return
        await asyncio.to_thread(self._log.close)
        self._writer.close()
        self._reader.close()
        self._turn.close()

    def _read(self, sql: str, params: Sequence[Any]) -> list[Row]:
        try:
            return self._reader.execute(sql, params).fetchall()
        except sqlite3.OperationalError as trouble:
            raise _conflict(trouble) from trouble

    def _hand_over(self) -> None:
        """Queue what this round of the loop asked for."""
        asked, self._asked = self._asked, []
        self._waiting.extend(asked)
        self._more.put(item=True)
        if asked and not self._looking:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """Tell those who waited too long that nothing was saved, and look again while somebody waits."""
        self._give_up(before=time.monotonic() - _PATIENCE_S)
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK_S, self._look) if self._waiting else None

    def _give_up(self, before: float) -> None:
        """Save nothing of what was asked for before a moment, and say so."""
        late = []
        with contextlib.suppress(IndexError):  # the writer takes from the same end
            while (job := self._waiting.popleft()).asked_at < before:
                late.append(job)
            self._waiting.appendleft(job)
            self._more.put(item=True)  # meanwhile it may have found nothing
        _settle(late, [Unavailable("another process does not stop writing")] * len(late))

    def _work(self) -> None:
        while self._more.get():
            while self._waiting:
                self._flush()

    def _flush(self) -> None:
        """Have a turn: take what waits by then, and save it. Nobody hears of it before it is on the disk.

        Nor of a conflict: what was in the way may have been saved by another process just now.
        """
        with self._turn:
            batch = self._take()
            verdicts = self._save([job.writes for job in batch]) if batch else []
        if not batch:
            return
        try:
            self._log.secure(sum(len(job.writes) for job in batch))
        except Unavailable as trouble:
            verdicts = [trouble] * len(batch)
        _settle(batch, verdicts)

    def _take(self) -> list[_Job]:
        batch: list[_Job] = []
        with contextlib.suppress(IndexError):  # somebody who waited too long was just told so
            while len(batch) < _BATCH_MAX:
                batch.append(self._waiting.popleft())
        return batch

    def _save(self, commands: Sequence[Sequence[Write]]) -> Sequence[_Verdict]:
        """Save the commands at once, or else each for itself, and return a verdict for each."""
        BATCHES.observe(len(commands))
        for run in (self._run_together, self._run_apart):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                verdicts = run(commands)
                self._writer.execute("COMMIT")
            except Exception as trouble:  # noqa: BLE001  # whatever it is, each caller has to hear of it
                self._roll_back()
                verdicts = [_conflict(trouble)]
                if isinstance(verdicts[0], Unavailable):
                    return verdicts * len(commands)
            if len(verdicts) == len(commands):
                return verdicts
        return [verdict for one in commands for verdict in self._save([one])]

    def _run_together(self, commands: Sequence[Sequence[Write]]) -> list[_Verdict]:
        """Run all commands, hoping that none collides: those that only add rows first, a statement for all at once.

        All of them are under way at the same time, so any order of commands is a true one.
        """
        verdicts: list[_Verdict] = [[[] for _ in writes] for writes in commands]
        added: dict[str, list[tuple[Any, ...]]] = {}
        others = []
        for at, writes in enumerate(commands):
            if all(write.name in self._plain and write.expect in (1, None) for write in writes):
                for write in writes:
                    added.setdefault(write.name, []).append(write.params)
            else:
                others.append(at)
        for name, rows in added.items():
            self._writer.executemany(self._sql[name], rows)
        for at in others:
            verdicts[at] = [self._run(write) for write in commands[at]]
        return verdicts

    def _run_apart(self, commands: Sequence[Sequence[Write]]) -> list[_Verdict]:
        return [self._try(writes) for writes in commands]

    def _try(self, writes: Sequence[Write]) -> _Verdict:
        self._writer.execute("SAVEPOINT command")
        try:
            rows = [self._run(write) for write in writes]
        except (Conflict, sqlite3.Error) as trouble:
            self._writer.execute("ROLLBACK TO command")
            self._writer.execute("RELEASE command")
            return _conflict(trouble)
        self._writer.execute("RELEASE command")
        return rows

    def _run(self, write: Write) -> list[Row]:
        cursor = self._writer.execute(self._sql[write.name], write.params)
        rows = cursor.fetchall()
        touched = len(rows) if cursor.description else cursor.rowcount
        if write.expect is not None and touched != write.expect:
            raise Conflict(write.name)
        return rows

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # what is in the log is on the disk before it gets into the file
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={_PATIENCE_S * 1000:.0f}")
    return connection


def _conflict(trouble: Exception) -> Exception:
    """Return what a caller is told."""
    if isinstance(trouble, sqlite3.IntegrityError):
        told: Exception = Conflict(str(trouble))
    elif isinstance(trouble, sqlite3.OperationalError) and trouble.sqlite_errorcode & 0xFF in _BUSY:
        told = Unavailable("another program does not stop writing")
    else:
        return trouble
    told.__cause__ = trouble
    return told


def _settle(batch: Sequence[_Job], verdicts: Sequence[_Verdict]) -> None:
    """Wake each loop once for all of its commands; one that was closed meanwhile has nobody left to tell."""
    told: dict[AbstractEventLoop, list[tuple[Future[list[list[Row]]], _Verdict]]] = {}
    for job, verdict in zip(batch, verdicts, strict=True):
        told.setdefault(job.done.get_loop(), []).append((job.done, verdict))
    for loop, pairs in told.items():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell, pairs)


def _tell(pairs: Iterable[tuple[Future[list[list[Row]]], _Verdict]]) -> None:
    for done, verdict in pairs:
        if done.done():  # its caller was cancelled
            continue
        if isinstance(verdict, Exception):
            done.set_exception(verdict)
        else:
            done.set_result(verdict)
