"""What a load balancer asks: whether a process lives, and whether it can serve."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from opengiro.store import Unavailable
from opengiro.store.migrate import PRE, missing

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.usecases import Core

_PATIENCE_S = 2.0


def health(core: Core) -> list[BaseRoute]:
    """Return both routes. Who can serve has a database that answers, with the schema that this version needs."""

    async def live(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def ready(_request: Request) -> PlainTextResponse:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                lacking = await missing(core.store.engine, (PRE,))
        except (TimeoutError, Unavailable):
            return _not_yet("the database does not answer\n")
        return _not_yet("the schema is of another version\n") if lacking else PlainTextResponse("ready\n")

    return [Route("/healthz", live), Route("/readyz", ready)]


def _not_yet(why: str) -> PlainTextResponse:
    return PlainTextResponse(why, 503, {"Retry-After": "1"})
