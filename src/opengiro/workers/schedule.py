"""The loop that lets the dates of recurring payments fall due, and ends those of which no bank ever told."""

from __future__ import annotations

import asyncio

import structlog

from opengiro.usecases import Core
from opengiro.usecases.expire_occurrences import expire_occurrences
from opengiro.usecases.follow_schedule import PAYMENTS_AT_ONCE_MAX, follow_schedules

_TICK_S = 0.25
_log = structlog.get_logger("opengiro.schedule")


async def schedule(core: Core) -> None:
    """Follow all schedules for ever; several such loops do each other no harm."""
    while True:
        try:
            followed = await follow_schedules(core) + await expire_occurrences(core)
        except Exception:  # noqa: BLE001  # a database that is away must not end the schedules for good
            _log.exception("following schedules failed")
            followed = 0
        await asyncio.sleep(_TICK_S if followed < PAYMENTS_AT_ONCE_MAX else 0)
