"""The loop that asks banks about open attempts when they are due, and ends what ran out of time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from opengiro.domain.clock import to_us
from opengiro.store import Unavailable
from opengiro.usecases import Core
from opengiro.usecases.expire_payments import expire_payment, load_expired, observe_or_lapse
from opengiro.usecases.recall_answer import forget_answers
from opengiro.workers.duty import Duty
from opengiro.workers.outage import Outage

_TICK_S = 0.25
_LEASE_US = 60_000_000
"""An attempt whose asker died comes back after a minute."""
_AT_ONCE_MAX = 256
"""Mostly waiting for banks, so it costs little."""
_AT_BANK_MAX = 32
"""How many wait for one bank when more of its attempts are left for later: it may hang for its whole time-out."""
_CLEANING_EVERY_S = 3600.0
_Payment = tuple[int, int]
"""merchant_id, payment_id"""
_log = structlog.get_logger("opengiro.observe")


async def observe(core: Core) -> None:
    """Ask and expire for ever; what fails is logged and tried again when it is due again."""
    watch, duty, outage, cleaned_at = Watch(core), Duty(core, "expire"), Outage(_log), -_CLEANING_EVERY_S
    try:
        while True:
            try:
                await watch.ask()
                if not core.held and await duty.is_ours():
                    await watch.expire()
                    if time.monotonic() - cleaned_at >= _CLEANING_EVERY_S:
                        await forget_answers(core)
                        cleaned_at = time.monotonic()
                outage.is_over()
            except Unavailable as away:
                outage.goes_on(away)
            except Exception:  # noqa: BLE001  # what nobody foresaw must not end observing for good
                _log.exception("observing failed")
            await asyncio.sleep(max(_TICK_S, outage.pause_s))
    finally:
        await watch.close()
        await duty.free()


async def look(core: Core) -> None:
    """Ask about the attempts that are due now, then expire the payments that are, and wait until that is done."""
    watch = Watch(core)
    await watch.ask()
    await watch.rest()
    await watch.expire()
    await watch.rest()


class Watch:
    """The payments being looked after right now, each by one task.

    Nobody waits for a batch, so a bank that hangs delays no payment at another.
    """

    def __init__(self, core: Core) -> None:
        """Look after nothing yet."""
        self._core = core
        self._tasks: dict[_Payment, asyncio.Task[None]] = {}
        self._at_bank: Counter[str] = Counter()

    async def ask(self) -> None:
        """Begin to ask about the attempts that are due, as far as there is room, unless the house is held."""
        room = 0 if self._core.held else _AT_ONCE_MAX - len(self._tasks)
        if room <= 0:
            return
        now, furthest = to_us(self._core.clock.real()), self._core.clock.furthest_us()
        full = [bank_id for bank_id, count in self._at_bank.items() if bank_id and count >= _AT_BANK_MAX]
        due = await self._core.store.attempts.claim_due(now, furthest, _LEASE_US, room, _AT_BANK_MAX, full)
        for merchant_id, payment_id, bank_id in due:
            self._begin((merchant_id, payment_id), observe_or_lapse, bank_id)

    async def expire(self) -> None:
        """Begin to expire the payments whose time is over; one that is being asked about has its turn later."""
        for one in await load_expired(self._core):
            self._begin(one, expire_payment)

    async def rest(self) -> None:
        """Wait for everything that was begun."""
        await asyncio.gather(*self._tasks.values())

    async def close(self) -> None:
        """Stop; what was cut short is due again after its lease."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _begin(self, one: _Payment, work: Callable[[Core, int, int], Awaitable[object]], bank_id: str = "") -> None:
        if one in self._tasks:
            return
        self._at_bank[bank_id] += 1
        self._tasks[one] = asyncio.create_task(_guarded(work(self._core, *one), *one))
        self._tasks[one].add_done_callback(lambda _: self._end(one, bank_id))

    def _end(self, one: _Payment, bank_id: str) -> None:
        del self._tasks[one]
        self._at_bank[bank_id] -= 1
        if not self._at_bank[bank_id]:
            del self._at_bank[bank_id]


async def _guarded(work: Awaitable[object], merchant_id: int, payment_id: int) -> None:
    """Work on one payment; its trouble is its own and keeps no other waiting."""
    try:
        await work
    except Unavailable:
        return  # the loop says that the database is away; the payment is due again after its lease
    except Exception:  # noqa: BLE001  # one payment that fails must not stop the others
        _log.exception("looking after a payment failed", merchant_id=merchant_id, payment_id=payment_id)
