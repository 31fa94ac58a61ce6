"""How hard this process is pressed, by two signs: how much it works on, and how late its event loop runs.

The first bounds how long anything waits for the database: what is in flight stands in a queue, and a queue that is
full is no use to those behind. The second bounds how long anything waits for this process. One moment proves nothing:
a disk hesitates, many come at once, and it is worked off. So what counts is what lasted for 100 ms, as with CoDel: the
least lateness of that time, and whether there was no room in any part of it.
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
"""So many in a row are no moment any more."""
_LATE_S: Mapping[Urgency, float] = {Urgency.NEW: 0.5, Urgency.UNDER_WAY: 2.0, Urgency.FREE: math.inf}
_BURST = 4
"""So many times more may be new for a moment."""
_SPARE = 32
"""So many times more may be under way than may be new: most of it waits for banks and costs nothing meanwhile."""


class Pressure:
    """What this process works on, and whether it should take on more."""

    __slots__ = ("_burst", "_full", "_lags", "_most", "_rested", "_ticking", "full_ticks", "in_flight", "lag_s")

    def __init__(self, new_max: int) -> None:
        """Work on `new_max` new requests at a time, and on four times as many for a moment; 0 sets no limit."""
        most = new_max or 2**31
        self._burst = most * (_BURST - 1)
        self._most = {Urgency.NEW: most, Urgency.UNDER_WAY: most * _SPARE, Urgency.FREE: 2**63}
        self._lags: deque[float] = deque(maxlen=_TICKS)
        self._ticking = self._rested = self._full = False
        self.in_flight = dict.fromkeys(Urgency, 0)
        self.lag_s = 0.0  #: how late the event loop has been running at least
        self.full_ticks = 0  #: in so many ticks in a row there was no room
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
        if self.lag_s > _LATE_S[kind]:
            return 0
        room = self._most[kind] - self.in_flight[kind]
        if kind is not Urgency.NEW:
            return room
        self._full = self._full or room <= 0
        return room if self.full_ticks >= _TICKS else room + self._burst

    def _tick(self, due: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if due is not None:
            self._lags.append(now - due)
            self.lag_s = min(self._lags) if len(self._lags) == _TICKS else 0.0
            full = self._full or self.in_flight[Urgency.NEW] >= self._most[Urgency.NEW]
            self.full_ticks = self.full_ticks + 1 if full else 0
            self._full = False
        self._ticking = not (self._rested and not any(self.in_flight.values()))
        if not self._ticking:  # nobody came since the last tick: an idle process sleeps
            self._lags.clear()
            self.lag_s, self.full_ticks = 0.0, 0
            return
        self._rested = True
        loop.call_later(_TICK_S, self._tick, now + _TICK_S)
