"""The ids under which deliveries are sent: many are drawn within one millisecond, for as many endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opengiro.domain.identifiers import payment_id

if TYPE_CHECKING:
    from datetime import datetime

_MILLISECOND_BITS = 12
"""So far to the left an id holds its millisecond."""


class DataIds:
    """Draws for one process, and no id twice. Another process may still draw the same one: the database refuses it."""

    def __init__(self) -> None:
        """Start with none drawn."""
        self._last: dict[int, int] = {}

    def draw(self, merchant_id: int, at: datetime, chance: bytes) -> int:
        """Return an id of that millisecond by chance, or the one after the last where that is not of an earlier one."""
        drawn, last = payment_id(at, chance), self._last.get(merchant_id, 0)
        if last >> _MILLISECOND_BITS >= drawn >> _MILLISECOND_BITS:
            drawn = last + 1
        self._last[merchant_id] = drawn
        return drawn
