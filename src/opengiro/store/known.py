"""What was read a moment ago and is believed for a second: what every call asks for, be it caller or merchant."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

STALE_S = 1.0
"""What another process revoked or changed ends here within this time; what this process did ends at once."""
_MOST = 10_000


class Known(Generic[K, V]):
    """A few thousand values by their keys, none older than `STALE_S`. What is not there is never remembered."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `now` counts seconds."""
        self.now = now  #: whoever keeps a value takes the time before reading it, or it could be older than it says
        self._values: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """Return what is known, if it is still to be believed."""
        found = self._values.get(key)
        return found[1] if found and self.now() - found[0] < STALE_S else None

    def keep(self, key: K, value: V, read_at: float) -> V:
        """Remember a value as it was at `read_at`, and return it."""
        if len(self._values) >= _MOST:
            self._values.clear()
        self._values[key] = (read_at, value)
        return value

    def forget(self, key: K) -> None:
        """Drop a value that was changed."""
        self._values.pop(key, None)

    def forget_all(self) -> None:
        """Drop everything."""
        self._values.clear()
