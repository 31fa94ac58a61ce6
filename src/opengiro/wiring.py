"""The only place where everything meets: connectors, dialects, pages, workers and the command."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from opengiro.cli import Assembly, program
from opengiro.connectors import HttpLine
from opengiro.connectors.berlin_group import CONNECTOR as BERLIN_GROUP
from opengiro.connectors.test_bank import CONNECTOR as TEST_BANK
from opengiro.dialects import banq, powens
from opengiro.connectors.watched import watched
from opengiro.domain.clock import Clock, from_us
from opengiro.store import Store, Unavailable
from opengiro.store.engines.choice import open_engine
from opengiro.store.fields_key import FieldsKey
from opengiro.store.migrate import migrate_at_start
from opengiro.store.tokens_key import TokensKey
from opengiro.store.vault import Vault, open_vault
from opengiro.usecases import Core
from opengiro.web.api import Api, pages
from opengiro.web.checkout.routes import away_for_now, checkout, dead_end
from opengiro.telemetry.journal import Journal
from opengiro.telemetry.spans import begin as begin_tracing
from opengiro.web.headers import SecurityHeaders
from opengiro.web.limits.gate import Gate
from opengiro.web.limits.pressure import Pressure
from opengiro.web.limits.quotas import Quotas
from opengiro.web.live.routes import live
from opengiro.web.widget.routes import widget
from opengiro.workers.deliver import Deliverer
from opengiro.workers.guard import Guard
from opengiro.web.metrics import metrics
from opengiro.web.watch import REQUEST_ID, Watch, names_of
from opengiro.workers.observe import observe
from opengiro.workers.post import Post
from opengiro.workers.schedule import schedule

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from opengiro.settings import Settings
    from opengiro.usecases.deliver_event import Event

    from structlog.typing import EventDict
CONNECTORS = {one.name: watched(one) for one in (BERLIN_GROUP, TEST_BANK)}
DIALECTS = (powens.DIALECT, banq.DIALECT, banq.GRANTS)
FAREWELLS = {powens.DIALECT.name: powens.farewell, banq.DIALECT.name: banq.farewell}
RECEIPTS = {banq.DIALECT.name: banq.receipt}


@contextlib.asynccontextmanager
async def open_core(settings: Settings) -> AsyncIterator[Core]:
    """Open storage and the line to banks, bring the schema up to date, and let go of both at the end."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The key comes first: a database without one looks like a loss.
    vault = Vault({1: settings.root_key}) if settings.root_key else open_vault(settings.root_key_file)
    engine = open_engine(settings.database_url, settings.database)
    store = Store(engine, vault)
    try:
        await migrate_at_start(engine)
        await store.prove_key()
        await store.banks.load()
        clock = Clock()
        for merchant, offset_us in await store.merchants.all():
            clock.move(merchant.merchant_id, from_us(offset_us) - from_us(0))
        async with HttpLine() as line:
            yield Core(
                store=store,
                clock=clock,
                chance=os.urandom,
                line=line,
                connectors=CONNECTORS,
                complain=Guard(settings.private_hosts).complaint,
                own_url=settings.own_url,
                fields_key=FieldsKey(settings.data / "fields-key.pem"),
                tokens_key=TokensKey(settings.data / "tokens-key.pem"),
            )
    finally:
        await store.close()


def web_app(core: Core, settings: Settings, more: Sequence[BaseRoute] = ()) -> ASGIApp:
    """Return the server as one ASGI app; `more` routes come first, as a laptop's extra programs do."""
    routes = [Route("/healthz", _healthz), *more, *checkout(core, FAREWELLS), *widget(core, RECEIPTS), *live(core)]
    for dialect in DIALECTS:
        routes += [*dialect.pages(core), *pages(dialect)]
    https = settings.own_url.startswith("https:")
    troubles: dict[Any, Any] = {HTTPException: dead_end, Unavailable: away_for_now}
    rest = Starlette(routes=routes, exception_handlers=troubles)
    app = SecurityHeaders(Api(core, DIALECTS, rest), https=https)
    quotas = Quotas(settings.writes_per_s, settings.reads_per_s, settings.workers)
    return Gate(watch, DIALECTS, Pressure(settings.requests_at_once), quotas, https=https)


@contextlib.asynccontextmanager
async def working(core: Core, settings: Settings) -> AsyncIterator[None]:
    """Run the workers for as long as the block lasts."""
    renders = {
        powens.DIALECT.name: lambda event: _render_powens(core, event),
        banq.DIALECT.name: banq.write_event,
    }
    async with Post(Guard(settings.private_hosts)) as post, asyncio.TaskGroup() as group:
        forever = (Deliverer(core, post.send, renders).run(), observe(core), schedule(core))
        loops = [group.create_task(loop) for loop in forever]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()


def main() -> None:
    """Run the `opengiro` command."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    begin_tracing(os.environ)
    program(Assembly(open_core=open_core, web_app=web_app, working=working, metrics=metrics))()


def _render_powens(core: Core, event: Event) -> bytes:
    view = powens.View(event.merchant, core.store.banks.get)
    return powens.write_event(event.payment, view, event.data_id, event.sequence)


async def _healthz(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")
    watch = Watch(app, names_of(routes, DIALECTS), _journal() if settings.log_requests else None)
            _name_request,
@cache
def _journal() -> Journal:
    """Return the one journal of this process; what is in it at the end is written then."""
    journal = Journal(_print)
    atexit.register(journal.flush)
    return journal


def _print(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def _name_request(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say during which request something was logged."""
    if request_id := REQUEST_ID.get(None):
        event.setdefault("request_id", request_id)
    return event


