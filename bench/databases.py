"""The two databases seen from outside: what the bench itself asks them, fills them with and copies.

Every call opens a connection and closes it, so nothing of the bench sits in a database while it is measured.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import asyncpg

Record = Sequence[Any]
_POURING_KIB = 1 << 20
"""How much of a SQLite file is kept in memory while millions of rows go into it."""


class Database(Protocol):
    """A database of a site."""

    kind: str
    url: str  #: of PostgreSQL; empty for a SQLite file

    def rows(self, sql: str) -> list[Record]:
        """Return what a query finds."""

    def run(self, *statements: str) -> None:
        """Run statements in one transaction, without the foreign keys, which a filler keeps by itself."""

    def pour(self, *statements: str) -> None:
        """Do the same while no server has it open, with as little written twice as the database allows."""

    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """Add records, fast."""

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""

    def tables(self) -> list[str]:
        """Return all tables."""

    def literal(self, value: Any) -> str:
        """Return a value as SQL text."""

    def chance_text(self, number: str) -> str:
        """Return the SQL of 32 characters without order; `number` may be what they follow from."""

    def chance_bytes(self, number: str) -> str:
        """Return the SQL of 32 bytes without order; `number` may be what they follow from."""

    def tidy(self, table: str = "") -> None:
        """Do after a large change, of one table or of all, what the database would do by itself in time."""


class SqliteFile:
    """A SQLite file."""

    kind = "sqlite"
    url = ""

    def __init__(self, path: Path) -> None:
        """Take the file, which a server makes."""
        self.path = path

    def rows(self, sql: str) -> list[Record]:
        """Return what a query finds."""
        with closing(self._open()) as opened:
            return opened.execute(sql).fetchall()

    def run(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with closing(self._open()) as opened:
            _in_one(opened, statements)

    def pour(self, *statements: str) -> None:
        """Do the same with a rollback journal, which holds what was there before; a log would hold all that is new."""
        with closing(self._open()) as opened:
            opened.execute("PRAGMA journal_mode=DELETE")
            opened.execute("PRAGMA synchronous=OFF")
            opened.execute(f"PRAGMA cache_size={-_POURING_KIB}")
            _in_one(opened, statements)
            opened.execute("PRAGMA journal_mode=WAL")

    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """Add records in one transaction."""
        marks = ", ".join("?" * len(columns))
        with closing(self._open()) as opened:
            opened.execute("BEGIN IMMEDIATE")
            opened.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", records)
            opened.execute("COMMIT")

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""
        return [name for (name,) in self.rows(f"SELECT name FROM pragma_table_info('{table}')")]

    def tables(self) -> list[str]:
        """Return all tables."""
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]

    def literal(self, value: Any) -> str:
        """Return a value as SQL text."""
        return f"x'{value.hex()}'" if isinstance(value, bytes) else _literal(value)

    def chance_text(self, number: str) -> str:  # noqa: ARG002  # chance of its own is cheaper here
        """Return the SQL of 32 characters without order."""
        return "lower(hex(randomblob(16)))"

    def chance_bytes(self, number: str) -> str:  # noqa: ARG002  # as above
        """Return the SQL of 32 bytes without order."""
        return "randomblob(32)"

    def tidy(self, table: str = "") -> None:  # noqa: ARG002  # the log is one for all
        """Empty the log into the file."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, path: Path) -> SqliteFile:
        """Return a copy in another file."""
        with closing(self._open()) as opened:
            opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(self.path, path)
        return SqliteFile(path)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, timeout=60)


class PostgresDatabase:
    """A database of a PostgreSQL server."""

    kind = "postgres"

    def __init__(self, url: str) -> None:
        """Take its URL."""
        self.url = url

    def rows(self, sql: str) -> list[Record]:
        """Return what a query finds."""
        return [tuple(row) for row in self._do(lambda opened: opened.fetch(sql))]

    def run(self, *statements: str) -> None:
        """Run statements in one transaction, without triggers, which foreign keys are too."""

        async def run(opened: Any) -> None:
            async with opened.transaction():
                await opened.execute("SET LOCAL session_replication_role = replica")
                for sql in statements:
                    await opened.execute(sql)

        self._do(run)

    def pour(self, *statements: str) -> None:
        """Do the same: what is new goes to its place and to the log, which is cut at once."""
        self.run(*statements)

    def insert(self, table: str, columns: Sequence[str], records: Iterable[Record]) -> None:
        """Add records by COPY."""

        async def copy(opened: Any) -> None:
            await opened.execute("SET session_replication_role = replica")
            await opened.copy_records_to_table(table, columns=columns, records=records)

        self._do(copy)

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""
        sql = "SELECT column_name FROM information_schema.columns"
        return [name for (name,) in self.rows(f"{sql} WHERE table_name = '{table}' ORDER BY ordinal_position")]

    def tables(self) -> list[str]:
        """Return all tables."""
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        return [name for (name,) in self.rows(sql)]

    def literal(self, value: Any) -> str:
        """Return a value as SQL text."""
        return f"'\\x{value.hex()}'::bytea" if isinstance(value, bytes) else _literal(value)

    def chance_text(self, number: str) -> str:
        """Return the SQL of 32 characters without order."""
        return f"md5(CAST({number} AS TEXT))"

    def chance_bytes(self, number: str) -> str:
        """Return the SQL of 32 bytes without order."""
        return f"sha256(convert_to(CAST({number} AS TEXT), 'UTF8'))"

    def tidy(self, table: str = "") -> None:
        """Count what is there; after a change of all tables also write it out."""

        async def tidy(opened: Any) -> None:
            await opened.execute(f"VACUUM ANALYZE {table}")
            if not table:
                await opened.execute("CHECKPOINT")

        self._do(tidy)

    def _do(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            opened = await asyncpg.connect(self.url)
            try:
                return await work(opened)
            finally:
                await opened.close()

        return asyncio.run(run())


def _in_one(opened: sqlite3.Connection, statements: Iterable[str]) -> None:
    opened.execute("BEGIN IMMEDIATE")
    for sql in statements:
        opened.execute(sql)
    opened.execute("COMMIT")


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).upper()
    return "'" + str(value).replace("'", "''") + "'"
