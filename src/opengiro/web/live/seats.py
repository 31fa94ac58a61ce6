"""Seats for those who follow: so many per token, per address and in all, so that nobody can take everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opengiro.telemetry.meters import STREAMS

if TYPE_CHECKING:
    from opengiro.web.live.limits import Limits


class NoSeat(Exception):  # a normal answer to one follower too many
    """There is no seat left; `status` says whether that is the follower's doing (429) or everybody's (503)."""

    def __init__(self, status: int) -> None:
        """Keep the HTTP status that fits."""
        super().__init__(status)
        self.status = status


class Seats:
    """Who sits where in this process."""

    __slots__ = ("_limits", "_taken", "total")

    def __init__(self, limits: Limits) -> None:
        """Start empty."""
        self._limits = limits
        self._taken: Counter[tuple[str, Hashable]] = Counter()
        self.total = 0  #: how many follow now

    @contextmanager
    def take(self, token: str, ip: str) -> Iterator[None]:
        """Hold a seat for the length of the block; raises `NoSeat`."""
        limits, keys = self._limits, (("token", token), ("ip", ip))
        if self.total >= limits.everywhere:
            raise NoSeat(503)
        if self._taken[keys[0]] >= limits.per_token or self._taken[keys[1]] >= limits.per_ip:
            raise NoSeat(429)
        self._taken.update(keys)
        self.total += 1
        STREAMS.inc()
        try:
            yield
        finally:
            self.total -= 1
            STREAMS.dec()
            self._taken.subtract(keys)
            for key in keys:
                if not self._taken[key]:
                    del self._taken[key]
