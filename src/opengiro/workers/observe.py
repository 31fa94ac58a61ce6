"""The loop that asks banks about open attempts when they are due, and ends what ran out of time."""

from __future__ import annotations

import asyncio

import structlog

from opengiro.domain.clock import to_us
from opengiro.usecases import Core
from opengiro.usecases.expire_payments import expire_payments, observe_or_lapse

_TICK_S = 0.25
_LEASE_US = 60_000_000
"""An attempt whose asker died comes back after a minute."""
_AT_ONCE_MAX = 32
_log = structlog.get_logger("opengiro.observe")


async def observe(core: Core) -> None:
    """Ask and expire for ever; what fails is logged and tried again when it is due again."""
    while True:
        try:
            asked = await _ask_due(core)
            await expire_payments(core)
        except Exception:  # noqa: BLE001  # a database that is away must not end observing for good
            _log.exception("observing failed")
            asked = 0
        if asked < _AT_ONCE_MAX:
            await asyncio.sleep(_TICK_S)


async def _ask_due(core: Core) -> int:
    now, furthest = to_us(core.clock.real()), core.clock.furthest_us()
    due = await core.store.attempts.claim_due(now, furthest, _LEASE_US, _AT_ONCE_MAX)
    await asyncio.gather(*(_ask(core, merchant_id, payment_id) for merchant_id, payment_id in due))
    return len(due)


async def _ask(core: Core, merchant_id: int, payment_id: int) -> None:
    """Ask about one attempt; its trouble is its own and keeps no other waiting."""
    try:
        await observe_or_lapse(core, merchant_id, payment_id)
    except Exception:  # noqa: BLE001  # one attempt that fails must not stop the others
        _log.exception("asking a bank failed", payment_id=payment_id)
