"""Bring a database to this version's schema: plain SQL files, each applied once, in the order of their names."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.store.engines.sqlite import Sqlite

_FOLDER = files("opengiro.store.migrations")
_LEDGER = "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)"


async def migrate(engine: Sqlite) -> list[str]:
    """Apply what is missing and return the names of the files applied."""
    names = await missing(engine)
    for name in names:
        body = (_FOLDER / name).read_text()
        engine.script(f"BEGIN;\n{body}\nINSERT INTO schema_migrations VALUES ('{name}');\nCOMMIT;")
    return names


async def missing(engine: Sqlite) -> list[str]:
    """Return the names of the files that are not applied yet."""
    engine.script(_LEDGER)
    applied = {name for (name,) in await engine.fetch_text("SELECT name FROM schema_migrations", ())}
    return sorted(
        entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".sql") and entry.name not in applied
    )
