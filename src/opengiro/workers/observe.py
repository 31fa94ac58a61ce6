"""The loop that asks banks about open attempts when they are due, and ends what ran out of time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import structlog

from opengiro.domain.clock import to_us
from opengiro.usecases import Core
from opengiro.usecases.expire_payments import expire_payment, load_expired, observe_or_lapse
from opengiro.usecases.recall_answer import forget_answers

_TICK_S = 0.25
_LEASE_US = 60_000_000
"""An attempt whose asker died comes back after a minute."""
_AT_ONCE_MAX = 32
_CLEANING_EVERY_S = 3600.0
_log = structlog.get_logger("opengiro.observe")


async def observe(core: Core) -> None:
    """Ask and expire for ever; what fails is logged and tried again when it is due again."""
    cleaned_at = -_CLEANING_EVERY_S
    while True:
        asked = 0
        try:
            asked = await look(core)
            if time.monotonic() - cleaned_at >= _CLEANING_EVERY_S:
                await forget_answers(core)
                cleaned_at = time.monotonic()
        except Exception:  # noqa: BLE001  # a database that is away must not end observing for good
            _log.exception("observing failed")
        if asked < _AT_ONCE_MAX:
            await asyncio.sleep(_TICK_S)


async def look(core: Core) -> int:
    """Ask about the attempts and expire the payments that are due now; return how many attempts were asked about."""
    now, furthest = to_us(core.clock.real()), core.clock.furthest_us()
    due = await core.store.attempts.claim_due(now, furthest, _LEASE_US, _AT_ONCE_MAX)
    await asyncio.gather(*(_guarded(observe_or_lapse(core, *one), *one) for one in due))
    await asyncio.gather(*(_guarded(expire_payment(core, *one), *one) for one in await load_expired(core)))
    return len(due)


async def _guarded(work: Awaitable[object], merchant_id: int, payment_id: int) -> None:
    """Work on one payment; its trouble is its own and keeps no other waiting."""
    try:
        await work
    except Exception:  # noqa: BLE001  # one payment that fails must not stop the others
        _log.exception("looking after a payment failed", merchant_id=merchant_id, payment_id=payment_id)
