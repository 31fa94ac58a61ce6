"""Which engine a server uses: PostgreSQL where its address is given, otherwise a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opengiro.store.engines.sqlite import Sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from opengiro.store.engines import Engine
    from opengiro.store.engines.channel import Channel


def open_engine(url: str, file: Path) -> Engine:
    """Return the engine for `url` (postgresql://…), or for `file` when there is none."""
    if not url:
        return Sqlite(file)
    from opengiro.store.engines.postgres import Postgres  # noqa: PLC0415  # a laptop starts without its driver

    return Postgres(url)


def open_channel(engine: Engine) -> Channel | None:
    """Return the way to the other processes of this database; SQLite has one process, so there is none."""
    if isinstance(engine, Sqlite):
        return None
    from opengiro.store.engines.channel import Channel  # noqa: PLC0415  # as above
    from opengiro.store.engines.postgres import Postgres  # noqa: PLC0415  # as above

    return Channel(engine) if isinstance(engine, Postgres) else None
