"""Where databases come from: one seeded site for each engine, and as many twins of it as scenarios ask for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench.databases import Database, PostgresDatabase, SqliteFile
from bench.site import Site
from tests.postgres import Server

_DURABLE = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # As large as an operator would make them on such a machine; everything else is PostgreSQL's own default.
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    # The defaults, said aloud because everything here rests on them.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


NAMES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
"""The engines as people write them."""


class Place(Protocol):
    """An engine with a seeded site."""

    kind: str
    seed: Site

    def settle_in(self, banks: Sequence[dict[str, Any]]) -> None:
        """Make the seeded site."""

    def database(self, name: str, of: Database | None = None) -> SqliteFile | PostgresDatabase:
        """Return a copy of a database, by default of the seeded one."""

    def folder(self, name: str) -> Path:
        """Return a folder for a site."""


@dataclass(slots=True)
class SqlitePlace:
    """Files in folders."""

    root: Path
    web_processes: int
    kind: str = "sqlite"
    seed: Site = field(init=False)

    def settle_in(self, banks: Sequence[dict[str, Any]]) -> None:
        """Make the seeded site."""
        folder = self.folder("seed")
        self.seed = Site(folder, SqliteFile(folder / "data" / "opengiro.db"), self.web_processes)
        self.seed.settle_in(banks)

    def database(self, name: str, of: Database | None = None) -> SqliteFile:
        """Return a copy in the folder of a site of that name."""
        source = of or self.seed.database
        if not isinstance(source, SqliteFile):
            raise TypeError("a SQLite file is copied from another")
        path = self.folder(name) / "data" / "opengiro.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        return source.copy_to(path)

    def folder(self, name: str) -> Path:
        """Return a folder for a site."""
        return self.root / "sqlite" / name


@dataclass(slots=True)
class PostgresPlace:
    """Databases of a server of the bench's own, on a real disk, which waits for that disk."""

    root: Path
    web_processes: int
    kind: str = "postgres"
    seed: Site = field(init=False)
    _server: Server = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __enter__(self) -> PostgresPlace:
        """Start the server."""
        folder = self.root / "server"
        folder.mkdir()
        self._server = Server(folder, _DURABLE)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it; whoever made the folder removes it."""
        self._server.stop()

    def settle_in(self, banks: Sequence[dict[str, Any]]) -> None:
        """Make the seeded site."""
        self._server.sql("CREATE DATABASE seed")
        self.seed = Site(self.folder("seed"), PostgresDatabase(f"{self._server.url}/seed"), self.web_processes)
        self.seed.settle_in(banks)

    def database(self, name: str, of: Database | None = None) -> PostgresDatabase:
        """Return a copy under a name of its own; nobody may be connected to the source."""
        source = (of or self.seed.database).url.rpartition("/")[2]
        made = f"{name}{next(self._numbers)}"
        self._server.sql(f"CREATE DATABASE {made} TEMPLATE {source}")
        return PostgresDatabase(f"{self._server.url}/{made}")

    def folder(self, name: str) -> Path:
        """Return a folder for a site."""
        return self.root / "postgres" / name


def twin(place: Place, name: str, of: Database | None = None) -> Site:
    """Return a site over a copy of the seeded database, or of another."""
    return place.seed.twin(place.folder(name), place.database(name, of))
