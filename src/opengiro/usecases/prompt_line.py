"""A way to banks for one decision: what was decided too long ago is not sent any more.

A process can freeze for minutes between its decision and the first byte: stopped by the system, or starved. Others
then think that its call was lost, and act. A late order could be approved by a payer who has long paid elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from opengiro.domain.attempt import INITIATING_MAX
from opengiro.domain.banks import BankTrouble, Moved

if TYPE_CHECKING:
    from opengiro.domain.banks import Line, Reply

FRESH_S = INITIATING_MAX.total_seconds() * 3 / 4
"""For so long after it was made a line sends; by `INITIATING_MAX` others take its caller for lost."""


class PromptLine:
    """Lends the line of the process to one decision. Make it before the facts are read that decide."""

    def __init__(self, line: Line, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin to count."""
        self._line = line
        self._now_s = now_s
        self._until_s = now_s() + FRESH_S

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        """Send as the line does; raises `BankTrouble` (NOT_SENT) when it is too late."""
        if self._now_s() >= self._until_s:
            raise BankTrouble("decided too long ago to be sent", permanent=False, money=Moved.NOT_SENT)
        return await self._line.send(method, url, headers, body, timeout_s)
