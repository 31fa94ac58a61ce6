"""Ids of 53 bits: many are drawn within one millisecond, and chance alone would draw some of them twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opengiro.domain.identifiers import IDS_A_MILLISECOND, payment_id

if TYPE_CHECKING:
    from datetime import datetime


class Ids:
    """Draws for one process, and none twice. Another process may still draw the same one: the database refuses it.

    Of 4,096 ids, twenty drawn by chance collide once in twenty times, and one that collides undoes a whole batch.
    """

    def __init__(self) -> None:
        """Start with none drawn."""
        self._millisecond = 0
        self._drawn: set[int] = set()

    def draw(self, at: datetime, chance: bytes) -> int:
        """Return an id of that millisecond by chance, or the next free one; once all are drawn, whichever it is."""
        drawn = payment_id(at, chance)
        millisecond, place = divmod(drawn, IDS_A_MILLISECOND)
        if millisecond != self._millisecond:
            self._millisecond, self._drawn = millisecond, set()
        while place in self._drawn and len(self._drawn) < IDS_A_MILLISECOND:
            place = (place + 1) % IDS_A_MILLISECOND
        self._drawn.add(place)
        return millisecond * IDS_A_MILLISECOND + place
