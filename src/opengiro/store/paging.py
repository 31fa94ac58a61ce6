"""How many rows a list has, told without counting a million of them for each page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opengiro.store.engines import Engine

COUNT_MAX = 10_000
"""A total is exact up to here; a longer list tells this number, or as much as its page needs to know what follows."""


async def total(engine: Engine, found: str, given: Sequence[Any], limit: int, offset: int) -> int:
    """Return how many rows the query `found` has, no further than anybody needs for this page."""
    counted = f"SELECT COUNT(*) FROM ({found} LIMIT ${len(given) + 1}) AS found"  # noqa: S608  # our own query
    ((number,),) = await engine.fetch_text(counted, [*given, max(COUNT_MAX, offset + limit + 1)])
    return int(number)
