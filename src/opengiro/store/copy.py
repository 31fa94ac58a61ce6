"""Carry a house from SQLite to PostgreSQL: rows as they are, parents before children, then both sides compared.

A table `copying` in the target is the only memory. It is written in the transaction of each batch, so whoever goes on
after an interruption knows to a row what is there; while it exists, no server starts on the target.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from opengiro.store.catalogue import Table, tables
from opengiro.store.engines.connections import CONNECT_S
from opengiro.store.migrate import COPYING, LEDGER

BATCH = 5_000
"""Rows of one transaction."""

_LOCK = 7310597
_READ_AHEAD = 2_000
_SESSION = {"application_name": "opengiro copy", "idle_in_transaction_session_timeout": "60s"}
_OTHERS = """
SELECT COUNT(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'opengiro' AND pid <> pg_backend_pid()
"""
_encode = msgspec.msgpack.Encoder().encode

Told = Callable[[str, int], None]
"""Hears of which table how many more rows are done."""


class CannotCopy(Exception):
    """Something is in the way; the message is a sentence, and nothing was lost."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What a table is compared by: how many rows it has, and one digest over all of them in the order of their keys."""

    rows: int
    digest: str


@asynccontextmanager
async def copying_into(url: str) -> AsyncIterator[Any]:
    """Connect to the target and hold it against every other copy."""
    target = await asyncpg.connect(url, timeout=CONNECT_S, target_session_attrs="read-write", server_settings=_SESSION)
    try:
        if not await target.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            raise CannotCopy("Another copy into this database is under way.")
        yield target
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError) as trouble:
        raise CannotCopy("The connection to PostgreSQL was lost: copy again, it goes on where it was.") from trouble
    finally:
        await target.close(timeout=5)


class Copy:
    """One copy on its way: `begin` it or go on, `carry` the rows, `compare` both sides, `finish`."""

    def __init__(self, source: sqlite3.Connection, target: Any) -> None:
        """Take both open; nothing is read yet."""
        self._source = source
        self._target = target
        self._tables: list[Table] = []
        self.totals: dict[str, int] = {}  #: how many rows each table has, in the order they are carried
        self.done: dict[str, int] = {}  #: how many of them are there already

    async def begin(self) -> None:
        """See that the two fit and that the target is empty, or holds the first part of this very copy."""
        if await self._target.fetchval(_OTHERS):
            raise CannotCopy("A server works on the target database: stop it first.")
        await self._same_schema()
        self.totals = {table.name: self._source.execute(_count(table.name)).fetchone()[0] for table in self._tables}
        if await self._target.fetchval("SELECT to_regclass($1)", COPYING):
            await self._go_on()
        else:
            await self._start()

    async def carry(self, told: Told, batch: int = BATCH) -> None:
        """Copy what is not there yet."""
        for table in self._tables:
            await self._carry(table, told, batch)

    async def compare(self, told: Told) -> dict[str, Sum]:
        """Return the sums of every table; raises `CannotCopy` when the two sides differ."""
        sums = {}
        async with self._target.transaction(isolation="repeatable_read", readonly=True):
            for table in self._tables:
                here, there = _sum(self._read(table)), await self._sum_there(table)
                if here != there:
                    raise CannotCopy(
                        f"{table.name} is not the same on both sides: {here.rows} rows here and {there.rows} there. "
                        "Did somebody write to either? Copy again, into an empty database."
                    )
                sums[table.name] = here
                told(table.name, here.rows)
        return sums

    async def finish(self) -> None:
        """Give the target free for servers."""
        await self._target.execute(f"DROP TABLE {COPYING}")
        await self._target.execute("ANALYZE")

    async def _same_schema(self) -> None:
        theirs = {table.name: table for table in await tables(self._target) if table.name != COPYING}
        names = [name for (name,) in self._source.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        ours = {name: self._columns(name) for name in names if not name.startswith("sqlite_")}
        if LEDGER not in theirs:
            raise CannotCopy("The target database has no schema yet: run `opengiro migrate` first.")
        if LEDGER not in ours:
            raise CannotCopy("The source is no database of ours.")
        here = {name for (name,) in self._source.execute(f"SELECT name FROM {LEDGER}")}  # noqa: S608  # our own name
        there = {name for (name,) in await self._target.fetch(f"SELECT name FROM {LEDGER}")}  # noqa: S608  # as above
        if here != there:
            raise CannotCopy(
                f"The schemas differ: {', '.join(sorted(here ^ there))} ran on one side only. Run `opengiro migrate`"
                " of one version on both; for the SQLite file, with an empty database_url."
            )
        if ours != {name: set(table.columns) for name, table in theirs.items()}:
            raise CannotCopy("The schemas differ: somebody changed tables or columns by hand.")
        self._tables = [table for table in theirs.values() if table.name != LEDGER]

    async def _start(self) -> None:
        for table in self._tables:
            if await self._target.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):  # noqa: S608  # from the catalogue
                raise CannotCopy(f"The target database is not empty: {table.name} has rows, and not by a copy.")
        async with self._target.transaction():
            await self._target.execute(
                f"CREATE TABLE {COPYING} (name TEXT PRIMARY KEY, total BIGINT, done BIGINT, last BYTEA)"
            )
            begun = [(name, total, 0, None) for name, total in self.totals.items()]
            await self._target.copy_records_to_table(COPYING, records=begun)
        self.done = dict.fromkeys(self.totals, 0)

    async def _go_on(self) -> None:
        known = await self._target.fetch(f"SELECT name, total, done FROM {COPYING}")  # noqa: S608  # our own name
        if {name: total for name, total, _ in known} != self.totals:
            raise CannotCopy("The source is not as it was when this copy began: copy into an empty database.")
        self.done = {name: done for name, _, done in known}

    async def _carry(self, table: Table, told: Told, batch: int) -> None:
        last = await self._target.fetchval(f"SELECT last FROM {COPYING} WHERE name = $1", table.name)  # noqa: S608  # as above
        places = [list(table.columns).index(column) for column in table.key]
        for rows in _batches(self._read(table, last and msgspec.msgpack.decode(last)), batch):
            reached = _encode([rows[-1][place] for place in places])
            try:
                await self._save(table, rows, reached)
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as trouble:
                raise CannotCopy(f"PostgreSQL refuses a row of {table.name}: {trouble.args[0]}.") from trouble
            told(table.name, len(rows))

    async def _save(self, table: Table, rows: Sequence[tuple[Any, ...]], reached: bytes) -> None:
        """Save a batch and how far it leads, both or neither."""
        async with self._target.transaction():
            await self._target.copy_records_to_table(table.name, records=rows, columns=list(table.columns))
            moved = f"UPDATE {COPYING} SET done = done + $2, last = $3 WHERE name = $1"  # noqa: S608  # our own name
            await self._target.execute(moved, table.name, len(rows), reached)

    def _columns(self, name: str) -> set[str]:
        return {column for (column,) in self._source.execute("SELECT name FROM pragma_table_info(?)", (name,))}

    def _read(self, table: Table, after: Sequence[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield rows in the order of the key, as PostgreSQL will give them back."""
        key = ", ".join(table.key)
        where = f"WHERE ({key}) > ({', '.join('?' * len(table.key))})" if after else ""
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} {where} ORDER BY {key}"  # noqa: S608  # from the catalogue
        truths = [place for place, kind in enumerate(table.columns.values()) if kind == "boolean"]
        for row in self._source.execute(sql, after or ()):
            yield _with_truths(row, truths) if truths else row

    async def _sum_there(self, table: Table) -> Sum:
        order = ", ".join(f'{name} COLLATE "C"' if table.columns[name] == "text" else name for name in table.key)
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {order}"  # noqa: S608  # as above
        running, count = hashlib.sha256(), 0
        async for row in self._target.cursor(sql, prefetch=_READ_AHEAD):
            running.update(_encode(tuple(row)))
            count += 1
        return Sum(count, running.hexdigest())


def missing_rows(totals: Mapping[str, int], done: Mapping[str, int]) -> int:
    """Return how many rows are still to be carried."""
    return sum(totals.values()) - sum(done.values())


def _sum(rows: Iterable[tuple[Any, ...]]) -> Sum:
    # MessagePack writes a value of one type in one way only, and says where it ends.
    running, count = hashlib.sha256(), 0
    for row in rows:
        running.update(_encode(row))
        count += 1
    return Sum(count, running.hexdigest())


def _with_truths(row: tuple[Any, ...], places: Sequence[int]) -> tuple[Any, ...]:
    """SQLite keeps a boolean as 0 or 1."""
    values = list(row)
    for place in places:
        if values[place] is not None:
            values[place] = bool(values[place])
    return tuple(values)


def _batches(rows: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _count(name: str) -> str:
    return f"SELECT COUNT(*) FROM {name}"  # noqa: S608  # a name from the catalogue
