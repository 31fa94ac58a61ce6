"""SQLite: one writer thread that shares each fsync among all commands that wait, and a reader beside it.

The batch is whatever queued while the last one committed, so a lone command pays no delay. What one round of the
event loop asks for is queued together: else the writer would take the first alone, and the others wait for it. A
batch is first run as if nobody could collide, then with a savepoint and a verdict for each command, and at last one
by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import sqlite3
import threading
from asyncio import AbstractEventLoop, Future
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from opengiro.store.engines import Conflict, Row, Write
from opengiro.store.statements import statements
from opengiro.telemetry.meters import BATCHES

_BATCH_MAX = 64
_BUSY_TIMEOUT_MS = 5_000
_PLACEHOLDER = re.compile(r"\$(\d+)")
_PLAIN_INSERT = re.compile(r"(?:--.*\n)*INSERT INTO \w+ \([\w\s,]+\)\s+VALUES \([?\d\s,]+\)", re.ASCII)

_Verdict = list[list[Row]] | Exception
_Job = tuple[Sequence[Write], Future[list[list[Row]]]]


def translate(sql: str) -> str:
    """Turn `$1` into SQLite's `?1`."""
    return _PLACEHOLDER.sub(r"?\1", sql)


class Sqlite:
    """A database file with write-ahead log; every commit is on disk before it is acknowledged."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        """Open or create the file and start its writer."""
        self._sql = {name: translate(text) for name, text in statements().items()}
        # One that ran has added its row, so it needs no counting and may share a call with its like.
        self._plain = frozenset(name for name, text in self._sql.items() if _PLAIN_INSERT.fullmatch(text))
        path.touch(mode=0o600, exist_ok=True)  # the log beside it takes over its mode
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only=ON")
        self._asked: list[_Job] = []
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def fetch(self, name: str, *params: Any) -> list[Row]:
        """Run one named query; it is short and indexed, so it runs where it was asked for."""
        return self._reader.execute(self._sql[name], params).fetchall()

    async def fetch_text(self, sql: str, params: Sequence[Any]) -> list[Row]:
        """Run a query composed of allow-listed fragments."""
        return self._reader.execute(translate(sql), params).fetchall()

    async def commit(self, writes: Sequence[Write]) -> list[list[Row]]:
        """Queue the statements for the writer. Cancelling the caller does not undo or stop the commit."""
        if self._closed:
            raise RuntimeError("the database is closed")
        loop = asyncio.get_running_loop()
        done: Future[list[list[Row]]] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._hand_over)
        self._asked.append((writes, done))
        return await done

    def _hand_over(self) -> None:
        """Queue what this round of the loop asked for."""
        asked, self._asked = self._asked, []
        self._jobs.put(asked)

    async def script(self, sql: str, *, apart: bool = False) -> None:  # noqa: ARG002  # no statement has to
        """Run a migration in one transaction; only before traffic."""
        try:
            self._writer.executescript(f"BEGIN IMMEDIATE;\n{sql}\nCOMMIT;")
        except sqlite3.Error:
            self._roll_back()
            raise

    async def close(self) -> None:
        """Let the writer finish what it accepted, then close."""
        self._closed = True
        self._hand_over()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._writer.close()
        self._reader.close()

    def _work(self) -> None:
        waiting: list[_Job] = []
        more = True
        while more:
            more = self._fetch_jobs(waiting)
            for at in range(0, len(waiting), _BATCH_MAX):
                self._flush(waiting[at : at + _BATCH_MAX])
            waiting.clear()

    def _fetch_jobs(self, waiting: list[_Job]) -> bool:
        """Wait for jobs and add all there are; return False once the end was asked for."""
        jobs = self._jobs.get()
        with contextlib.suppress(queue.Empty):
            while jobs is not None:
                waiting += jobs
                jobs = self._jobs.get_nowait()
        return jobs is not None

    def _flush(self, batch: Sequence[_Job]) -> None:
        commands = [writes for writes, _ in batch]
        BATCHES.observe(len(batch))
        for run in (self._run_together, self._run_apart):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                verdicts = run(commands)
                self._writer.execute("COMMIT")
            except Exception as trouble:  # noqa: BLE001  # whatever it is, each caller has to hear of it
                self._roll_back()
                verdicts = [_conflict(trouble)]
            if len(verdicts) == len(batch):
                _settle(batch, verdicts)
                return
        for job in batch:
            self._flush([job])

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
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    return connection


def _conflict(trouble: Exception) -> Exception:
    if isinstance(trouble, sqlite3.IntegrityError):
        conflict = Conflict(str(trouble))
        conflict.__cause__ = trouble
        return conflict
    return trouble


def _settle(batch: Sequence[_Job], verdicts: Sequence[_Verdict]) -> None:
    """Wake each loop once for all of its commands; one that was closed meanwhile has nobody left to tell."""
    told: dict[AbstractEventLoop, list[tuple[Future[list[list[Row]]], _Verdict]]] = {}
    for (_, done), verdict in zip(batch, verdicts, strict=True):
        told.setdefault(done.get_loop(), []).append((done, verdict))
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
