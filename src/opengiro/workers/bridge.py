"""What keeps the memory of one process in step with the others: bells, movable clocks, and the bank directory.

1. What rings here is called out at once, then what rang in the next few milliseconds; what others call out rings here.
2. Each second it looks whether clocks or banks were changed elsewhere, and reads them again.
3. Whatever was called out while nobody listened is lost. So everything is rung when listening begins again, and who
follows a payment, delivers or observes looks by itself now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from opengiro.store import Unavailable
from opengiro.store.house import BANKS, CLOCKS, HOLDS
from opengiro.workers.outage import Outage

if TYPE_CHECKING:
    from opengiro.store.engines import Channel
    from opengiro.usecases import Core

LOOK_S = 1.0
_COLLECT_S = 0.005
_AGAIN_S = 0.25
_AT_ONCE = 100
"""So many followers are woken at a time when all are, because each reads its rows then."""
_ALL = "all"
_TEXT_MAX = 7_800  # PostgreSQL takes less than 8,000 bytes
_AT_ONCE_MAX = 1_000

_log = structlog.get_logger("opengiro.bridge")


class Bridge:
    """One process's side. Without a channel, where one process does everything, it only looks."""

    def __init__(self, core: Core, channel: Channel | None, seen: Mapping[str, int]) -> None:
        """Carry what rings from now on; `seen` are the versions of what is already in memory."""
        self._core = core
        self._channel = channel
        self._seen = dict(seen)
        self._name = core.chance(6).hex()
        self._rung: dict[tuple[int, int] | None, None] = {}
        self._rang = asyncio.Event()
        self._missed = asyncio.Event()
        if channel:
            core.bell.carry = self._carry

    async def run(self) -> None:
        """Keep in step for ever."""
        loops = [self._look(), *((self._call(self._channel), self._listen(self._channel)) if self._channel else ())]
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop)

    def _carry(self, rung: tuple[int, int] | None) -> None:
        self._rung[rung] = None
        self._rang.set()

    async def _call(self, channel: Channel) -> None:
        """Call out what rang here; what cannot be said now is said when it can."""
        while True:
            await self._rang.wait()
            self._rang.clear()
            rung, self._rung = self._rung, {}
            try:
                for text in _texts(rung):
                    await channel.call(f"{self._name} {text}")
                await asyncio.sleep(_COLLECT_S)
            except Unavailable:
                self._rung = rung | self._rung
                self._rang.set()
                await asyncio.sleep(_AGAIN_S)
            except Exception:  # noqa: BLE001  # what nobody foresaw must not keep the others in the dark for good
                _log.exception("calling out failed")

    async def _listen(self, channel: Channel) -> None:
        outage = Outage(_log)

        def begun() -> None:
            outage.is_over()
            self._missed.set()

        while True:
            try:
                await channel.listen(begun, self._hear)
            except Unavailable as away:
                outage.goes_on(away)
            except Exception:  # noqa: BLE001  # as above
                _log.exception("listening failed")
            await asyncio.sleep(max(_AGAIN_S, outage.pause_s))

    def _hear(self, text: str) -> None:
        sender, *rung = text.split(" ")
        if sender == self._name:
            return
        if rung == [_ALL]:
            self._missed.set()
            return
        for one in rung:
            merchant_id, _, payment_id = one.partition(":")
            self._core.bell.hear(int(merchant_id), int(payment_id))

    async def _look(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._missed.wait()
            except TimeoutError:
                pass
            missed = self._missed.is_set()
            self._missed.clear()
            try:
                await self._refresh()
            except Unavailable:  # the loops that work say so
                await asyncio.sleep(_AGAIN_S)
                if missed:
                    self._missed.set()
                continue
            except Exception:  # noqa: BLE001  # as above
                _log.exception("looking for changes failed")
            if missed:
                await self._wake_all()

    async def _refresh(self) -> None:
        """Read again what was changed elsewhere."""
        store = self._core.store
        versions = await store.house.versions()
        if versions == self._seen:
            return
        if versions.get(HOLDS) != self._seen.get(HOLDS):
            await store.home.load()
        if versions.get(BANKS) != self._seen.get(BANKS):
            await store.banks.load()
        if versions.get(CLOCKS) != self._seen.get(CLOCKS) and not await self._set_clocks():
            return
        self._seen = versions

    async def _set_clocks(self) -> bool:
        """Take over the offsets, unless one was moved here while they were read."""
        clock = self._core.clock
        moves = clock.moves
        offsets = await self._core.store.merchants.offsets()
        if clock.moves != moves:
            return False
        clock.adopt({merchant_id: timedelta(microseconds=offset) for merchant_id, offset in offsets.items()})
        self._core.bell.moved.set()
        return True

    async def _wake_all(self) -> None:
        self._core.bell.moved.set()
        for number, listener in enumerate(self._core.bell.listeners()):
            listener.set()
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(_COLLECT_S * 10)


def _texts(rung: Mapping[tuple[int, int] | None, None]) -> Iterator[str]:
    """Spell what rang, in as few texts as the channel takes; of very much it says only that it is very much."""
    if None in rung or len(rung) > _AT_ONCE_MAX:
        yield _ALL
        return
    text = ""
    for one in filter(None, rung):
        word = f"{one[0]}:{one[1]}"
        if len(text) + len(word) >= _TEXT_MAX:
            yield text
            text = ""
        text += f" {word}" if text else word
    if text:
        yield text
