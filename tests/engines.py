"""Which database the tests run on: SQLite, or PostgreSQL when OPENGIRO_TEST_ENGINE says so."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from opengiro.store.engines import Engine
from opengiro.store.engines.choice import open_engine
from opengiro.store.migrate import migrate

ENGINE = os.environ.get("OPENGIRO_TEST_ENGINE", "sqlite")
ENGINES = ("sqlite", "postgres")
if ENGINE not in ENGINES:
    raise ValueError(f"OPENGIRO_TEST_ENGINE is {ENGINE!r}: it names one of {', '.join(ENGINES)}")


def database_url(data: Path) -> str:
    """Return the setting for a server that keeps its data in this folder; the same folder is the same database."""
    return _database(data.resolve()) if ENGINE == "postgres" else ""


async def opened(data: Path) -> Engine:
    """Return an engine with our schema; the folder is there."""
    engine = open_engine(database_url(data), data / "opengiro.db")
    await migrate(engine)
    return engine


@cache
def _database(_data: Path) -> str:
    from tests.postgres import new_database  # noqa: PLC0415  # nothing of it is needed on SQLite

    return new_database()
