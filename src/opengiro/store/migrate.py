"""Bring a database to this version's schema: plain SQL files, each applied once.

A file named `…_pre_…` only adds, so that the version before runs on it too; one named `…_post_…` removes what no
running version needs any more, and nothing of this version waits for it. All that is `pre` runs before all `post`.

What the engines write differently stands in sections: a line `-- only sqlite` or `-- only postgres` begins one, and a
line `-- both` ends it. A file that begins with `-- apart` runs statement by statement outside a transaction on
PostgreSQL, as an index built beside traffic must; when it is cut off it runs again, so each statement bears that.
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

LEDGER = "schema_migrations"
COPYING = "copying"
"""While this table exists, rows are being copied into the database."""
PRE, POST = "pre", "post"

_FOLDER = files("opengiro.store.migrations")
_LEDGER = f"CREATE TABLE IF NOT EXISTS {LEDGER} (name TEXT PRIMARY KEY);\n"
_SECTION = re.compile(r"^-- (both|only \w+)\n", re.MULTILINE)
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
    "postgres": "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()",
}


class NotReady(Exception):
    """No server may start on this database now; the message is a sentence."""


async def migrate(engine: Engine, steps: tuple[str, ...] = (PRE, POST), folder: Traversable = _FOLDER) -> list[str]:
    """Apply what is missing of these steps and return the names of the files applied."""
    done = []
    for name in await missing(engine, steps, folder):
        if await _apply(engine, name, (folder / name).read_text()):
            done.append(name)
    return done


async def migrate_at_start(engine: Engine, folder: Traversable = _FOLDER) -> list[str]:
    """Apply what a starting server needs; raises `NotReady` when it may not start.

    PostgreSQL may have servers of the version before, so `post` waits there until the operator says that none is left.
    """
    if COPYING in await _tables(engine):
        raise NotReady("A copy into this database is not finished: run `opengiro copy` again.")
    if gone := [name for name in await unknown(engine, folder) if _step(name) == POST]:
        raise NotReady(f"A later version removed what this one needs ({', '.join(gone)}): run that version.")
    new = engine.kind == "sqlite" or not await applied(engine)
    return await migrate(engine, (PRE, POST) if new else (PRE,), folder)


async def missing(engine: Engine, steps: tuple[str, ...] = (PRE, POST), folder: Traversable = _FOLDER) -> list[str]:
    """Return the names of the files of these steps that are not applied yet, in the order to apply them."""
    before = await applied(engine)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql") and entry.name not in before)
    return [name for step in steps for name in names if _step(name) == step]


async def unknown(engine: Engine, folder: Traversable = _FOLDER) -> list[str]:
    """Return what was applied here by a later version."""
    known = {entry.name for entry in folder.iterdir()}
    return sorted(await applied(engine) - known)


async def applied(engine: Engine) -> set[str]:
    """Return the names of all files that were ever applied; nothing is written."""
    if LEDGER not in await _tables(engine):
        return set()
    return {name for (name,) in await engine.fetch_text(f"SELECT name FROM {LEDGER}", ())}  # noqa: S608  # our own name


def for_engine(text: str, kind: str) -> str:
    """Return what one engine runs of a migration."""
    first, *pieces = _SECTION.split(text)
    sections = zip(pieces[::2], pieces[1::2], strict=True)
    return first + "".join(body for head, body in sections if head in ("both", f"only {kind}"))


async def _apply(engine: Engine, name: str, text: str) -> bool:
    """Apply one file; return False when somebody else did meanwhile."""
    body = for_engine(text, engine.kind)
    apart = text.startswith("-- apart\n")
    if apart:
        await engine.script(body, apart=True)
    try:
        # The name goes first: of two that apply the same file, the second stops here.
        await engine.script(f"{_LEDGER}INSERT INTO {LEDGER} VALUES ('{name}');\n{'' if apart else body}")  # noqa: S608
    except Exception:
        if name in await applied(engine):
            return False
        raise
    return True


async def _tables(engine: Engine) -> set[str]:
    return {name for (name,) in await engine.fetch_text(_TABLES[engine.kind], ())}


def _step(name: str) -> str:
    return name.split("_")[1]
