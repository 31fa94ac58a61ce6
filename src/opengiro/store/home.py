"""Where a house lives, and whether it is held. A held house reads: it takes, asks and sends nothing until released.

A copy of a database is known by its place: another file, another server, or one restored to a moment of the past.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from opengiro.domain.clock import from_us, to_us
from opengiro.store.engines import Unavailable, Write
from opengiro.store.house import HOLDS, changed

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

_RESTORED_TO = """
SELECT COALESCE(string_agg(name || '=' || setting, ' ' ORDER BY name), '') FROM pg_settings
WHERE setting <> '' AND name = ANY (ARRAY['recovery_target', 'recovery_target_lsn', 'recovery_target_name',
    'recovery_target_time', 'recovery_target_xid'])
"""
_MAY_ASK = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
_SERVER = "SELECT system_identifier::text FROM pg_control_system()"
_DATABASE = "SELECT oid::bigint::text FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Place:
    """A database as it knows itself. `name` begins with the engine; `restored_to` is a moment it was taken back to."""

    name: str
    restored_to: str

    def is_copy_of(self, known: Place) -> bool:
        """Whether a house that knows `known` as its home was brought here by copying files or rows.

        From one engine to another it is carried on purpose, by `opengiro copy`. A standby that took over has no such
        moment set, and is the same server to itself.
        """
        if self.name.partition(":")[0] != known.name.partition(":")[0]:
            return False
        return self.name != known.name or self.restored_to not in ("", known.restored_to)


@dataclass(frozen=True, slots=True)
class Hold:
    """Since when and why a house is held."""

    since: datetime
    reason: str


@dataclass(slots=True)
class Home:
    """The place and the hold; `hold` is what this process last read."""

    engine: Engine
    hold: Hold | None = None

    @property
    def held(self) -> bool:
        """Whether this house must not act."""
        return self.hold is not None

    def leave(self) -> None:
        """Let somebody go out to a bank; raises `Unavailable` while the house is held."""
        if self.held:
            raise Unavailable("the house is held, so no bank is called")

    async def load(self) -> Place | None:
        """Read whether it is held, and return the place it knows as home, if it knows one."""
        rows = await self.engine.fetch("load_home")
        if not rows:
            return None
        ((name, restored_to, held_us, reason),) = rows
        self.hold = None if held_us is None else Hold(from_us(held_us), reason)
        return Place(name, restored_to)

    async def move_in(self, place: Place) -> None:
        """Make a place home where none is known yet."""
        await self.engine.commit([Write("insert_home", (place.name, place.restored_to), None)])

    async def carry_over(self, place: Place) -> None:
        """Know another engine's place as home, and stay held if it was."""
        await self.engine.commit([Write("move_home", (place.name, place.restored_to))])

    def hold_back(self, now: datetime, reason: str) -> list[Write]:
        """Return the writes that hold the house, unless it is held already."""
        return [Write("hold_home", (to_us(now), reason), None), changed(HOLDS)]

    def let_go(self, place: Place) -> list[Write]:
        """Return the writes that make this place home and let the house act again."""
        return [Write("release_home", (place.name, place.restored_to)), changed(HOLDS)]

    async def place(self) -> Place:
        """Find out where we are."""
        return await (_file(self.engine) if self.engine.kind == "sqlite" else _server(self.engine))


async def _file(engine: Engine) -> Place:
    """Return the place of a SQLite file: a copy of it is another file, and one that is moved is the same."""
    rows = await engine.fetch_text("PRAGMA database_list", ())
    path = next(path for _, name, path in rows if name == "main")
    return Place(f"sqlite:{os.stat(path).st_ino}", "")  # noqa: PTH116  # at start, and of no slow disk


async def _server(engine: Engine) -> Place:
    """Return the place of a PostgreSQL database: all nodes of a cluster have the same, so a failover moves nobody."""
    ((may_ask,),) = await engine.fetch_text(_MAY_ASK, ())
    ((server,),) = await engine.fetch_text(_SERVER, ()) if may_ask else [("",)]
    ((database,),) = await engine.fetch_text(_DATABASE, ())
    ((restored_to,),) = await engine.fetch_text(_RESTORED_TO, ())
    return Place(f"postgres:{server}/{database}", restored_to)
