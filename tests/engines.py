"""Which database the tests run on: SQLite, or PostgreSQL when OPENGIRO_TEST_ENGINE says so."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from opengiro.store.engines import Engine, Row
from opengiro.store.engines.choice import open_engine
from opengiro.store.migrate import migrate

ENGINE = os.environ.get("OPENGIRO_TEST_ENGINE", "sqlite")
ENGINES = ("sqlite", "postgres")
if ENGINE not in ENGINES:
    raise ValueError(f"OPENGIRO_TEST_ENGINE is {ENGINE!r}: it names one of {', '.join(ENGINES)}")

_databases: dict[Path, tuple[Path, str]] = {}
"""Databases by data folder, each with the folder it lives and dies with."""


def database_url(data: Path) -> str:
    """Return the setting for a server that keeps its data in this folder; the same folder is the same database."""
    if ENGINE == "sqlite":
        return ""
    from tests import postgres  # noqa: PLC0415  # nothing of it is needed on SQLite

    data = data.resolve()
    if data not in _databases:
        _forget(postgres.drop_database)
        # A folder that a server will make is there as long as the one around it.
        _databases[data] = (data if data.exists() else data.parent, postgres.new_database())
    return _databases[data][1]


async def opened(data: Path) -> Engine:
    """Return an engine with our schema; the folder is there."""
    engine = open_engine(database_url(data), data / "opengiro.db")
    await migrate(engine)
    return engine


def rows(data: Path, sql: str) -> list[Row]:
    """Return what a query finds in the database of a folder; the caller has no event loop."""

    async def ask() -> list[Row]:
        engine = open_engine(database_url(data), data / "opengiro.db")
        try:
            return await engine.fetch_text(sql, ())
        finally:
            await engine.close()

    return asyncio.run(ask())


def stolen(data: Path) -> bytes:
    """Return the files of the database, as a thief would copy them."""
    if ENGINE == "sqlite":
        files = [path for path in data.iterdir() if path.name.startswith("opengiro.db")]
    else:
        from tests.postgres import files_of  # noqa: PLC0415  # as above

        files = files_of(database_url(data))
    if not files:
        raise FileNotFoundError(data)  # nothing readable would prove nothing
    return b"".join(path.read_bytes() for path in files)


def engines_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the engines that a test runs on: its own words first, then where its modules' imports lead."""
    if about := item.get_closest_marker("engine"):
        return about.args
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]  # nothing public tells
    modules = {fixture.func.__module__ for several in fixtures for fixture in several} - {"tests.conftest"}
    reached = set().union(*map(_reached, {item.module.__name__, *modules}))  # type: ignore[attr-defined]
    if "tests.postgres" in reached:
        return ("postgres",)
    return ENGINES if __name__ in reached else ENGINES[:1]


@cache
def _reached(name: str) -> frozenset[str]:
    seen, ahead = set[str](), {name}
    while ahead:
        seen |= ahead
        ahead = {found for one in ahead for found in _imported(one)} - seen
    return frozenset(seen)


def _imported(name: str) -> Iterator[str]:
    for value in vars(sys.modules[name]).values():
        if issubclass(type(value), (ModuleType, FunctionType, type)):  # isinstance would wake lazy objects
            source = value.__name__ if type(value) is ModuleType else value.__module__
            if source.startswith("tests.") and source in sys.modules:
                yield source


def _forget(drop: Callable[[str], None]) -> None:
    """Let databases go whose folders were deleted, as pytest does after a test that passed."""
    for data, (folder, url) in list(_databases.items()):
        if not folder.exists():
            drop(url)
            del _databases[data]
