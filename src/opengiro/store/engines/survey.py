"""What a PostgreSQL server says of itself, for whoever judges whether payments are safe there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from opengiro.store.engines import Unavailable
from opengiro.store.engines.connections import CONNECT_S, ask_host, open_primary
from opengiro.store.engines.hosts import Hosts

_FACTS = """
SELECT current_setting('server_version_num')::int AS version,
    (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted,
    COALESCE(inet_server_addr() << '127.0.0.0/8' OR host(inet_server_addr()) = '::1', TRUE) AS near,
    r.rolsuper AS superuser,
    NOT pg_is_in_recovery() AS primary,
    (SELECT COUNT(*) FROM pg_stat_replication) AS standbys,
    LEAST(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
        NULLIF(r.rolconnlimit, -1), NULLIF(d.datconnlimit, -1)) AS room,
    pg_encoding_to_char(d.encoding) AS encoding
FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
"""
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)"
_OF_INTEREST = ["fsync", "synchronous_commit", "full_page_writes", "archive_mode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One server as one connection of ours sees it."""

    version: int  #: such as 150004
    encrypted: bool
    near: bool  #: on this machine
    superuser: bool
    primary: bool
    standbys: int
    room: int  #: connections for all who use this role and database
    encoding: str
    settings: Mapping[str, str]
    ahead_s: float  #: of this machine's clock


async def survey(url: str) -> Survey:
    """Ask the server; raises what asyncpg raises when it cannot be reached."""
    async with _any_server(url) as connection:
        facts = dict(await connection.fetchrow(_FACTS))
        settings = dict(await connection.fetch(_SETTINGS, _OF_INTEREST))
        before = time.time()
        theirs = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        return Survey(**facts, settings=settings, ahead_s=theirs - (before + time.time()) / 2)


@asynccontextmanager
async def _any_server(url: str) -> Any:
    """Connect to the primary, or to what there is."""
    try:
        connection = await open_primary(Hosts(url, ask_host))
    except Unavailable:
        connection = await asyncpg.connect(url, timeout=CONNECT_S)
    try:
        yield connection
    finally:
        await connection.close(timeout=CONNECT_S)
