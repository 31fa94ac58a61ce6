"""What `opengiro check` says of a PostgreSQL server: what makes it unusable, and what makes it unsafe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from opengiro.store.engines.postgres import SIZE

if TYPE_CHECKING:
    from opengiro.settings import Settings
    from opengiro.store.engines.survey import Survey

OLDEST = 150_000
_SKEW_S = 2
_DURABLE = {
    "fsync": "payments it acknowledged can be lost or torn when the machine stops",
    "full_page_writes": "pages can be torn when the machine stops",
}


def unusable(found: Survey) -> Iterator[str]:
    """Say why no server of ours can work there."""
    if found.version < OLDEST:
        yield f"PostgreSQL there is version {found.version // 10_000}: it has to be {OLDEST // 10_000} or newer."
    if found.encoding != "UTF8":
        yield f"The database is encoded in {found.encoding}: names and texts need one made with `createdb -E UTF8`."
    if not found.primary:
        yield "The server of database_url is a standby: name the primary, or all of them."


def unsafe(found: Survey, settings: Settings) -> Iterator[str]:
    """Say what should not be so with real payers."""
    for name, risk in _DURABLE.items():
        if found.settings[name] == "off":
            yield f"{name} is off in PostgreSQL: {risk}."
    if found.settings["synchronous_commit"] == "off":
        yield "synchronous_commit is off in PostgreSQL: the last payments it acknowledged can be lost."
    if not (found.encrypted or found.near):
        yield "The connection to PostgreSQL is not encrypted: add ?sslmode=verify-full to database_url."
    if found.superuser:
        yield "database_url names a superuser: make a role that owns this one database."
    if abs(found.ahead_s) > _SKEW_S:
        side = "behind" if found.ahead_s < 0 else "ahead of"
        yield f"PostgreSQL's clock is {abs(found.ahead_s):.0f} s {side} this machine's: leases need them equal."
    if (needed := _connections(settings)) > found.room:
        yield (
            f"PostgreSQL has room for {found.room} connections, and this machine alone may open {needed}: "
            "raise max_connections or take fewer workers."
        )
    if found.settings["archive_mode"] == "off" and not found.standbys:
        yield "PostgreSQL has no standby and archives no WAL (archive_mode): a lost disk loses what no backup has."


def _connections(settings: Settings) -> int:
    """Return how many connections this machine's processes may open; each listens on one more."""
    working_apart = 1 if settings.workers > 1 else 0
    return (settings.workers + working_apart) * (SIZE + 1)
