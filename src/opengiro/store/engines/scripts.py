"""Runs migrations on PostgreSQL beside traffic: one at a time, and never holding others up behind a lock it waits for.

A statement that waits for a lock blocks all that come after it, so it waits two seconds, steps back and tries again.
Nobody waits inside the database for a migration elsewhere either: an index being built would wait for who waits for it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import asyncpg

from opengiro.store.engines import Unavailable

LOCK_TIMEOUT = "2s"
PATIENCE = 60
"""How often it is tried."""
_PAUSE_S = 1.0
_LOCK = 7310596
_END = re.compile(r";\s*$", re.MULTILINE)


async def run_together(connection: Any, sql: str) -> None:
    """Run statements in one transaction."""
    await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    for _ in range(PATIENCE):
        try:
            async with connection.transaction():
                if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                    await connection.execute(sql)
                    return
        except asyncpg.LockNotAvailableError:
            pass
        await asyncio.sleep(_PAUSE_S)
    raise Unavailable("others held what the migration needs the whole time: nothing of it was applied")


async def run_apart(connection: Any, sql: str) -> None:
    """Run statements one by one. They hold nobody up while they wait, so they wait as long as it takes."""
    await connection.execute("SET lock_timeout = 0")
    for _ in range(PATIENCE):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            break
        await asyncio.sleep(_PAUSE_S)
    else:
        raise Unavailable("another migration ran the whole time: nothing of this one was applied")
    for statement in _END.split(sql):
        if re.sub(r"--[^\n]*", "", statement).strip():
            await connection.execute(statement)
