"""Which engine a server uses: PostgreSQL where its address is given, otherwise a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opengiro.store.engines.sqlite import Sqlite

if TYPE_CHECKING:
    from pathlib import Path

    from opengiro.store.engines import Channel, Engine


def open_engine(url: str, file: Path, *, shared: bool = False) -> Engine:
    """Return the engine for `url` (postgresql://…), or for `file`, which is `shared` when several processes serve."""
    if not url:
        return Sqlite(file, shared=shared)
    from opengiro.store.engines.postgres import Postgres  # noqa: PLC0415  # a laptop starts without its driver

    return Postgres(url)


def open_channel(engine: Engine) -> Channel | None:
    """Return the way to the other processes of this database, if there may be any."""
    if isinstance(engine, Sqlite):
        return _folder_channel(engine.path.with_name("bells")) if engine.shared else None
    from opengiro.store.engines.postgres import Postgres  # noqa: PLC0415  # as above
    from opengiro.store.engines.server_channel import ServerChannel  # noqa: PLC0415  # as above

    return ServerChannel(engine) if isinstance(engine, Postgres) else None


def _folder_channel(folder: Path) -> Channel:
    from opengiro.store.engines.folder_channel import FolderChannel  # noqa: PLC0415  # not on every system

    return FolderChannel(folder)
