"""A database that is away: its loops say so once, look again ever less often, and say once that it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from opengiro.store import Unavailable

_FIRST_S, _LONGEST_S = 0.25, 2.0
"""After a failover the new primary is found within the longest of these pauses."""


class Outage:
    """What one loop knows of it."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        """Start with a database that is there."""
        self._log = log
        self.pause_s = 0.0  #: how long to leave it alone

    def goes_on(self, trouble: Unavailable) -> None:
        """The database is away."""
        if not self.pause_s:
            self._log.warning("the database is away", said=str(trouble))
        self.pause_s = min(self.pause_s * 2 or _FIRST_S, _LONGEST_S)

    def is_over(self) -> None:
        """The database answered."""
        if self.pause_s:
            self._log.warning("the database is back")
        self.pause_s = 0.0
