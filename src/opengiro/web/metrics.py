"""What Prometheus fetches. It listens apart from the public port, because what it tells is nobody else's business."""

from __future__ import annotations

import asyncio
import math
from importlib.metadata import version
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from opengiro.domain.banks import Health
from opengiro.domain.clock import to_us
from opengiro.store.migrate import applied
from opengiro.telemetry.meters import (
    BANK_CALLS,
    BANK_HEALTH,
    BANK_UNHEARD,
    BUILD,
    DELIVERIES_DUE,
    DELIVERY_AGE,
    REGISTRY,
    UP,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.usecases import Core

_LOOK_S = 3
_HEALTH = {Health.HEALTHY: 1.0, Health.DEGRADED: 0.5, Health.DOWN: 0.0}
_NOT_KNOWN = math.nan

_log = structlog.get_logger("opengiro.metrics")


def metrics(core: Core) -> Starlette:
    """Return the app that answers a scrape."""

    async def scrape(_request: Request) -> Response:
        await look(core)
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/metrics", scrape)])


async def look(core: Core) -> None:
    """Set the meters of what stands in the database; where that is away, say so and tell the rest."""
    try:
        async with asyncio.timeout(_LOOK_S):
            await _look(core)
        UP.set(1)
    except Exception:  # noqa: BLE001  # whatever is wrong with the database, the other meters are worth more than it
        _log.warning("the database was not looked at", exc_info=True)
        UP.set(0)
        DELIVERIES_DUE.set(_NOT_KNOWN)
        DELIVERY_AGE.set(_NOT_KNOWN)


async def _look(core: Core) -> None:
    now_us = to_us(core.clock.real())
    due, oldest_us = await core.store.deliveries.backlog(now_us)
    DELIVERIES_DUE.set(due)
    DELIVERY_AGE.set(0 if oldest_us is None else max(0, now_us - oldest_us) / 1_000_000)
    for bank in core.store.banks.all():
        BANK_HEALTH.labels(bank.bank_id).set(_HEALTH[bank.health])
        # What an alert waits for has to be there before its first time: it asks for an increase.
        BANK_UNHEARD.labels(bank.bank_id)
        BANK_CALLS.labels(bank.bank_id, "initiate", "unknown")
    engine = core.store.engine
    schema = max((name for name in await applied(engine)), default="")
    BUILD.clear()
    BUILD.labels(version("opengiro"), engine.kind, schema.removesuffix(".sql")).set(1)
