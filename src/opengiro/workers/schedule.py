"""The loop that lets the dates of recurring payments fall due, and ends those of which no bank ever told."""

from __future__ import annotations

import asyncio

import structlog

from opengiro.store import Unavailable
from opengiro.usecases import Core
from opengiro.usecases.expire_occurrences import expire_occurrences
from opengiro.usecases.follow_schedule import PAYMENTS_AT_ONCE_MAX, follow_schedules
from opengiro.workers.duty import Duty
from opengiro.workers.outage import Outage

_TICK_S = 0.25
_log = structlog.get_logger("opengiro.schedule")


async def schedule(core: Core) -> None:
    """Follow all schedules for ever. One process does it at a time; should two, they do each other no harm."""
    duty, outage = Duty(core, "schedule"), Outage(_log)
    try:
        while True:
            followed = 0
            try:
                if not core.held and await duty.is_ours():
                    followed = await follow_schedules(core) + await expire_occurrences(core)
                outage.is_over()
            except Unavailable as away:
                outage.goes_on(away)
            except Exception:  # noqa: BLE001  # what nobody foresaw must not end the schedules for good
                _log.exception("following schedules failed")
            await asyncio.sleep(outage.pause_s or (_TICK_S if followed < PAYMENTS_AT_ONCE_MAX else 0))
    finally:
        await duty.free()
