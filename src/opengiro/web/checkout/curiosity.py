"""Ask a bank sooner than the common schedule would while a payer sits and waits, but never more often than it bears."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask

from opengiro.domain.banks import Decoupled, Redirect
from opengiro.usecases.ask_bank import ask_bank
from opengiro.web.checkout.steps import live

if TYPE_CHECKING:
    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import Checkout

WAITING_S = 10
PRESSED_S = 2
_WATCHED_MAX = 10_000


class Curiosity:
    """Remembers, in this process only, when each watched payment's bank was last asked."""

    def __init__(self, core: Core) -> None:
        """Start without having asked anybody."""
        self._core = core
        self._asked: dict[tuple[int, int], float] = {}

    def later(self, visit: Checkout) -> BackgroundTask | None:
        """Return a question to ask once the page was sent; None when it is too soon or there is nothing to ask."""
        attempt = live(visit)
        if attempt is None or not isinstance(attempt.action, Redirect | Decoupled | None):
            return None
        if not self._may(visit, WAITING_S):
            return None
        return BackgroundTask(ask_bank, self._core, attempt.merchant_id, attempt.payment_id)

    async def now(self, visit: Checkout) -> None:
        """Ask because the payer pressed the button, unless they press it without end."""
        if self._may(visit, PRESSED_S):
            await ask_bank(self._core, visit.payment.merchant_id, visit.payment.payment_id)

    def _may(self, visit: Checkout, every_s: int) -> bool:
        key, now = (visit.payment.merchant_id, visit.payment.payment_id), time.monotonic()
        if now - self._asked.get(key, -every_s) < every_s:
            return False
        if len(self._asked) >= _WATCHED_MAX:
            self._asked.clear()
        self._asked[key] = now
        return True
