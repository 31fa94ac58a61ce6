"""How many rows a list has, told without counting a million of them for each page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opengiro.store.known import Known

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

COUNT_MAX = 10_000
"""A total is exact up to here; a longer list tells this number, or as much as its page needs to know what follows."""


class Totals:
    """Counts what lists find. A count is believed for a moment, since whoever pages asks for it again and again."""

    def __init__(self, engine: Engine) -> None:
        """Count in this database; nothing is known yet."""
        self._engine = engine
        self.known: Known[tuple[Any, ...], int] = Known()

    async def of(self, found: str, given: Sequence[Any], limit: int, offset: int, listed: int) -> int:
        """Return how many rows the query `found` has, no further than anybody needs for a page that shows `listed`."""
        shown = offset + listed if listed else 0  #: an empty page may lie behind the end
        if listed < limit and (listed or not offset):  # the list ends on this page
            return shown
        most = max(COUNT_MAX, offset + limit + 1)
        key = (found, most, *given)
        total = self.known.get(key)
        if total is None:
            asked_at = self.known.now()
            total = self.known.keep(key, await self._count(found, given, most), asked_at)
        return max(total, shown)

    async def _count(self, found: str, given: Sequence[Any], most: int) -> int:
        counted = f"SELECT COUNT(*) FROM ({found} LIMIT ${len(given) + 1}) AS found"  # noqa: S608  # our own query
        ((number,),) = await self._engine.fetch_text(counted, [*given, most])
        return int(number)
