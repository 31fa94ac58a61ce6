"""What time it is for a merchant: the real time plus the offset a tester moved that merchant by.

Everything that depends on time asks here, so moving one number moves expiries, schedules, retries and test banks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def real_now() -> datetime:
    """Return the wall clock in UTC."""
    return datetime.now(UTC)


def to_us(instant: datetime) -> int:
    """Return microseconds since 1970 UTC, the form instants have in storage."""
    return (instant - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the instant that storage keeps as microseconds since 1970 UTC."""
    return EPOCH + microseconds * _MICROSECOND


class Clock:
    """Tells each merchant's time; offsets are zero unless somebody moved them."""

    __slots__ = ("_base", "_offsets", "moves")

    def __init__(self, base: Callable[[], datetime] = real_now) -> None:
        """Start from `base`, which returns aware UTC instants."""
        self._base = base
        self._offsets: dict[int, timedelta] = {}
        self.moves = 0  #: how often it was moved here

    def real(self) -> datetime:
        """Return the present instant as nobody moved it: leases and signatures follow it."""
        return self._base()

    def now(self, merchant_id: int) -> datetime:
        """Return the present instant as this merchant sees it."""
        offset = self._offsets.get(merchant_id)
        return self._base() + offset if offset else self._base()

    def offset(self, merchant_id: int) -> timedelta:
        """Return how far this merchant's time is ahead of real time."""
        return self._offsets.get(merchant_id, timedelta())

    def move(self, merchant_id: int, offset: timedelta) -> None:
        """Put this merchant's time `offset` ahead of real time."""
        self._offsets[merchant_id] = offset
        self.moves += 1

    def adopt(self, offsets: Mapping[int, timedelta]) -> None:
        """Take over all offsets as they are known elsewhere; who is not among them has real time."""
        self._offsets = dict(offsets)

    def furthest(self) -> timedelta:
        """Return the largest offset in use, at least zero: nothing is due for anybody beyond it."""
        return max((timedelta(), *self._offsets.values()))

    def furthest_us(self) -> int:
        """Return `furthest` in microseconds, for queries."""
        return self.furthest() // _MICROSECOND
