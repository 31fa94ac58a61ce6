"""Work that one process at a time does for all, because many would only do the same again.

Whoever holds a duty renews its lease. A holder that froze loses it, and finds that out before it does more; what it was
doing is guarded by the rows themselves, as everywhere.
"""

from __future__ import annotations

import contextlib
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from opengiro.domain.clock import to_us
from opengiro.store import Unavailable

if TYPE_CHECKING:
    from opengiro.usecases import Core

_LEASE = timedelta(seconds=15)
_RENEW_S = 5.0
_RETRY_S = 1.0


class Duty:
    """One process's claim to a duty; who has the database for itself holds it without asking."""

    def __init__(self, core: Core, name: str) -> None:
        """Claim nothing yet."""
        self._core = core
        self._name = name
        self._holder = core.chance(8).hex()
        self._held = self._alone = not core.store.engine.shared
        self._asked_at = -_RETRY_S

    async def is_ours(self) -> bool:
        """Whether we may do it now; asks the database now and then."""
        since = time.monotonic() - self._asked_at
        if self._alone or since < (_RENEW_S if self._held else _RETRY_S):
            return self._held
        now = self._core.clock.real()
        asked_at = time.monotonic()
        until = to_us(now + _LEASE)
        self._held = await self._core.store.house.hold(self._name, self._holder, to_us(now), until)
        self._asked_at = asked_at
        return self._held

    async def free(self) -> None:
        """Let another process take it at once."""
        if self._held and not self._alone:
            with contextlib.suppress(Unavailable):  # its lease ends all the same
                await self._core.store.house.free(self._name, self._holder)
