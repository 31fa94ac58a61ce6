"""Clients in threads of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Crew:
    """Threads that each do one thing, for as long as it asks `over` and is told that it is not."""

    def __init__(self) -> None:
        """Have nobody at work yet."""
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def over(self) -> bool:
        """Whether to stop."""
        return self._over.is_set()

    def start(self, work: Callable[[], None], count: int) -> None:
        """Set so many to work."""
        self._threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self, within_s: float) -> bool:
        """Let each end what it is at, and return whether all did in time."""
        self._over.set()
        patience = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, patience - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)
