"""Bring a database to this version's schema: plain SQL files, each applied once, in the order of their names.

A file named `…_pre_…` only adds, so that the version before runs on it too; one named `…_post_…` removes what no
running version needs any more. What the engines write differently stands in sections: a line `-- only sqlite` or
`-- only postgres` begins one, and a line `-- both` ends it.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

_FOLDER = files("opengiro.store.migrations")
_LEDGER = "CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY);"
_SECTION = re.compile(r"^-- (both|only \w+)\n", re.MULTILINE)


async def migrate(engine: Engine) -> list[str]:
    """Apply what is missing and return the names of the files applied."""
    names = await missing(engine)
    for name in names:
        body = for_engine((_FOLDER / name).read_text(), engine.kind)
        await engine.script(f"{body}\nINSERT INTO schema_migrations VALUES ('{name}');")
    return names


async def missing(engine: Engine) -> list[str]:
    """Return the names of the files that are not applied yet."""
    await engine.script(_LEDGER)
    applied = {name for (name,) in await engine.fetch_text("SELECT name FROM schema_migrations", ())}
    return sorted(
        entry.name for entry in _FOLDER.iterdir() if entry.name.endswith(".sql") and entry.name not in applied
    )


def for_engine(text: str, kind: str) -> str:
    """Return what one engine runs of a migration."""
    first, *pieces = _SECTION.split(text)
    sections = zip(pieces[::2], pieces[1::2], strict=True)
    return first + "".join(body for head, body in sections if head in ("both", f"only {kind}"))
