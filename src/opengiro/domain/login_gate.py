"""How often a login may be tried: a few times at once, then slowly. Memory and cost are the same for everybody.

Each key falls into one of a fixed number of buckets, which holds a single instant: when its allowance would be
whole again (GCRA). Two keys that share a bucket share an allowance, which only ever means a wait.
"""

from __future__ import annotations

from array import array
from datetime import datetime, timedelta

from opengiro.domain.clock import from_us, to_us

BURST = 10
"""Tries that are free."""
REFILL = timedelta(seconds=30)
"""How long until one more is."""
_BUCKETS = 1 << 16


class LoginGate:
    """Counts tries before they are judged, so that many at once gain nothing."""

    __slots__ = ("_whole_again",)

    def __init__(self) -> None:
        """Start with every allowance whole."""
        self._whole_again = array("q", bytes(8 * _BUCKETS))

    def enter(self, key: bytes, at: datetime) -> timedelta | None:
        """Take one try from the key's allowance, or return how long to wait; `key` is evenly spread bytes."""
        place = _place(key)
        now, whole = to_us(at), max(self._whole_again[place], to_us(at))
        step = REFILL // timedelta(microseconds=1)
        wait = whole + step - now - BURST * step
        if wait > 0:
            return from_us(wait) - from_us(0)
        self._whole_again[place] = whole + step
        return None

    def forgive(self, key: bytes) -> None:
        """Make the key's allowance whole: it logged in."""
        self._whole_again[_place(key)] = 0


def _place(key: bytes) -> int:
    return int.from_bytes(key[:4], "big") % _BUCKETS
