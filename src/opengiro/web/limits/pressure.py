"""How hard this process is pressed, by two signs: how much it works on, and how late its event loop runs.

The first bounds how long anything waits for the database: what is in flight stands in a queue, and a queue that is
full is no use to those behind. The second bounds how long anything waits for this process. One late turn proves
nothing (a burst is worked off), so it is the least lateness of the last 100 ms that counts, as CoDel does it.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from opengiro.telemetry.meters import IN_FLIGHT, LOOP_LAG
from opengiro.web.limits.urgency import Urgency

if TYPE_CHECKING:
    from collections.abc import Mapping

_TICK_S = 0.02
_TICKS = 5
_LATE_S: Mapping[Urgency, float] = {Urgency.NEW: 0.5, Urgency.UNDER_WAY: 2.0, Urgency.FREE: math.inf}
_SPARE = 32
"""So many times more may be under way than may be new: most of it waits for banks and costs nothing meanwhile."""


class Pressure:
    """What this process works on, and whether it should take on more."""

    __slots__ = ("_lags", "_most", "_rested", "_ticking", "in_flight", "lag_s")

    def __init__(self, new_max: int) -> None:
        """Work on at most `new_max` new requests at a time; 0 sets no limit."""
        most = new_max or 2**31
        self._most = {Urgency.NEW: most, Urgency.UNDER_WAY: most * _SPARE, Urgency.FREE: 2**63}
        self._lags: deque[float] = deque(maxlen=_TICKS)
        self._ticking = self._rested = False
        self.in_flight = dict.fromkeys(Urgency, 0)
        self.lag_s = 0.0  #: how late the event loop has been running at least
        LOOP_LAG.set_function(lambda: self.lag_s)
        for kind in Urgency:
            IN_FLIGHT.labels(kind.value).set_function(partial(self.in_flight.__getitem__, kind))

    def refuses(self, kind: Urgency) -> bool:
        """Whether a request of this kind should be turned away now."""
        return self.room(kind) <= 0

    def room(self, kind: Urgency) -> int:
        """Return how many more requests of this kind may be taken on now."""
        if not self._ticking:
            self._tick()
        self._rested = False
        return 0 if self.lag_s > _LATE_S[kind] else self._most[kind] - self.in_flight[kind]

    def _tick(self, due: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if due is not None:
            self._lags.append(now - due)
            self.lag_s = min(self._lags) if len(self._lags) == _TICKS else 0.0
        self._ticking = not (self._rested and not any(self.in_flight.values()))
        if not self._ticking:  # nobody came since the last tick: an idle process sleeps
            self._lags.clear()
            self.lag_s = 0.0
            return
        self._rested = True
        loop.call_later(_TICK_S, self._tick, now + _TICK_S)
