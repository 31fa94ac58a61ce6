"""The loop that sends webhooks. Each endpoint has its own few slots, so none can delay another.

It wakes when moves were saved, when an attempt ended, and twice a second for what became due by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from opengiro.domain.clock import EPOCH, to_us
from opengiro.store import Conflict, Unavailable
from opengiro.usecases.deliver_event import Claim, Render, Send, claim_deliveries, deliver_event, note_malfunction
from opengiro.workers.outage import Outage

if TYPE_CHECKING:
    from opengiro.domain.deliveries import Webhook
    from opengiro.usecases import Core

POLL_S = 0.5
FAREWELL_S = 1.0
"""How long what is in flight may still take when the worker stops: to send it again would be a duplicate."""
IN_FLIGHT_MAX = 2000
FREE_EVERY = timedelta(seconds=5)
CLEAN_EVERY = timedelta(hours=1)

_log = structlog.get_logger()


class Deliverer:
    """Claims and sends until it is cancelled. `renders` holds one renderer for each dialect."""

    def __init__(self, core: Core, send: Send, renders: Mapping[str, Render]) -> None:
        """Start with nothing in flight."""
        self._core = core
        self._send = send
        self._renders = renders
        self._in_flight: Counter[tuple[int, int]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed_at = self._cleaned_at = EPOCH
        self._outage = Outage(_log)

    @property
    def busy(self) -> bool:
        """Whether anything is in flight."""
        return bool(self._tasks)

    async def run(self) -> None:
        """Deliver until cancelled; what is in flight then soon ends or is given back unharmed."""
        try:
            while True:
                await self._wait()
                await self._try_turn()
        finally:
            await self._stop()

    async def turn(self) -> None:
        """Claim what is due now and start sending it, unless the house is held."""
        if self._core.held:
            return
        await self._keep_house()
        for claim in await claim_deliveries(self._core, self._room):
            self._start(claim)

    async def settle(self) -> None:
        """Wait until nothing is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _try_turn(self) -> None:
        try:
            await self.turn()
            self._outage.is_over()
        except Unavailable as away:
            self._outage.goes_on(away)
            await asyncio.sleep(self._outage.pause_s)
        except Exception:  # noqa: BLE001  # what nobody foresaw must not end deliveries for good
            _log.exception("delivery_turn_failed")

    async def _wait(self) -> None:
        moved = self._core.bell.moved
        try:
            async with asyncio.timeout(POLL_S):
                await moved.wait()
        except TimeoutError:
            return
        moved.clear()

    def _room(self, webhook: Webhook) -> int:
        if webhook.dialect not in self._renders or len(self._tasks) >= IN_FLIGHT_MAX:
            return 0
        return webhook.streak.slots - self._in_flight[_key(webhook)]

    def _start(self, claim: Claim) -> None:
        self._in_flight[_key(claim.webhook)] += 1
        task = asyncio.get_running_loop().create_task(self._deliver(claim))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, claim: Claim) -> None:
        try:
            await deliver_event(self._core, claim, self._renders[claim.webhook.dialect], self._send)
        except asyncio.CancelledError:
            with contextlib.suppress(Unavailable):  # then its lease frees it
                await self._core.store.commit([self._core.store.deliveries.free(claim.delivery)])
            raise
        except Unavailable:
            return  # the loop says so; it is due again after its lease, by the same bytes under the same id
        except Exception:  # noqa: BLE001  # one poisoned event must not stop the others
            await self._note_malfunction(claim)
        finally:
            self._release(claim.webhook)

    async def _note_malfunction(self, claim: Claim) -> None:
        delivery = claim.delivery
        _log.exception("delivery_failed_inside", payment_id=delivery.payment_id, webhook_id=delivery.webhook_id)
        try:
            await note_malfunction(self._core, claim)
        except (Conflict, Unavailable):
            _log.warning("delivery_claim_lost", payment_id=delivery.payment_id, webhook_id=delivery.webhook_id)

    def _release(self, webhook: Webhook) -> None:
        key = _key(webhook)
        self._in_flight[key] -= 1
        if not self._in_flight[key]:
            del self._in_flight[key]
        self._core.bell.moved.set()

    async def _keep_house(self) -> None:
        real = self._core.clock.real()
        if real - self._freed_at >= FREE_EVERY:
            self._freed_at = real
            await self._core.store.deliveries.free_lapsed(to_us(real))
        if real - self._cleaned_at >= CLEAN_EVERY:
            self._cleaned_at = real
            await self._forget_old()

    async def _forget_old(self) -> None:
        forget = self._core.store.deliveries.forget_old
        for merchant_id, webhook_id in await self._core.store.webhooks.every():
            await self._core.store.commit([forget(merchant_id, webhook_id, self._core.now(merchant_id))])

    async def _stop(self) -> None:
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=FAREWELL_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _key(webhook: Webhook) -> tuple[int, int]:
    return (webhook.merchant_id, webhook.webhook_id)
