"""Bring a database to this version's schema: plain SQL files, each applied once, in the order of their names."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.store.engines.sqlite import Sqlite

_LEDGER = "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)"


async def migrate(engine: Sqlite) -> list[str]:
    """Apply what is missing and return the names of the files applied."""
    engine.script(_LEDGER)
    applied = {name for (name,) in await engine.fetch_text("SELECT name FROM schema_migrations", ())}
    folder = files("opengiro.store.migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    missing = [name for name in names if name not in applied]
    for name in missing:
        body = (folder / name).read_text()
        engine.script(f"BEGIN;\n{body}\nINSERT INTO schema_migrations VALUES ('{name}');\nCOMMIT;")
    return missing
