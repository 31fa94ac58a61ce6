"""The only place where everything meets: connectors, dialects, pages, workers and the command."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from opengiro.cli import Assembly, program
from opengiro.cli.server import CannotStart
from opengiro.connectors import HttpLine
from opengiro.connectors.berlin_group import CONNECTOR as BERLIN_GROUP
from opengiro.connectors.test_bank import CONNECTOR as TEST_BANK
from opengiro.connectors.watched import watched
from opengiro.dialects import banq, powens
from opengiro.domain.clock import Clock, from_us
from opengiro.store import Store, Unavailable
from opengiro.store.engines.choice import open_channel, open_engine
from opengiro.store.fields_key import FieldsKey
from opengiro.store.house import is_lived_in
from opengiro.store.migrate import migrate_at_start
from opengiro.store.rsa_file import pem_of
from opengiro.store.tokens_key import TokensKey
from opengiro.store.vault import Vault, open_vault
from opengiro.telemetry.journal import Journal
from opengiro.telemetry.spans import begin as begin_tracing
from opengiro.telemetry.tracebacks import told
from opengiro.usecases import Core
from opengiro.usecases.hold_house import Wish, settle_in
from opengiro.web.api import Api, pages
from opengiro.web.checkout.routes import checkout
from opengiro.web.checkout.troubles import Calm, away_for_now, dead_end, turned_away
from opengiro.web.headers import SecurityHeaders
from opengiro.web.health import health
from opengiro.web.limits.gate import Gate
from opengiro.web.limits.pressure import Pressure
from opengiro.web.limits.quotas import Quotas
from opengiro.web.live.routes import live
from opengiro.web.metrics import metrics
from opengiro.web.watch import REQUEST_ID, Watch, names_of
from opengiro.web.widget.routes import widget
from opengiro.workers.bridge import Bridge
from opengiro.workers.deliver import Deliverer
from opengiro.workers.guard import Guard
from opengiro.workers.observe import observe
from opengiro.workers.post import Post
from opengiro.workers.schedule import schedule

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from structlog.typing import EventDict

    from opengiro.settings import Settings
    from opengiro.store.engines import Engine
    from opengiro.usecases.deliver_event import Event

CONNECTORS = {one.name: watched(one) for one in (BERLIN_GROUP, TEST_BANK)}
DIALECTS = (powens.DIALECT, banq.DIALECT, banq.GRANTS)
FAREWELLS = {powens.DIALECT.name: powens.farewell, banq.DIALECT.name: banq.farewell}
RECEIPTS = {banq.DIALECT.name: banq.receipt}


@contextlib.asynccontextmanager
async def open_core(settings: Settings) -> AsyncIterator[Core]:
    """Open storage and the line to banks, bring the schema up to date, and let go of both at the end.

    Meanwhile what this process holds in memory is kept in step with the others.
    """
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    # On SQLite the key comes first: a database without one looks like a loss.
    vault = None if settings.database_url else open_vault(settings.root_key_file, settings.root_key)
    engine = open_engine(settings.database_url, settings.database, shared=settings.workers > 1)
    try:
        await migrate_at_start(engine)
        store = Store(engine, vault or await _shared_vault(settings, engine))
        fields_key, tokens_key = await _keys(settings, store)
        await settle_in(store, Wish(settings.hold), Clock().real())
        seen = await store.house.versions()
        await store.banks.load()
        clock = Clock()
        for merchant_id, offset_us in (await store.merchants.offsets()).items():
            clock.move(merchant_id, from_us(offset_us) - from_us(0))
        async with HttpLine(leave=store.home.leave) as line:
            core = Core(
                store=store,
                clock=clock,
                chance=os.urandom,
                line=line,
                connectors=CONNECTORS,
                complain=Guard(settings.private_hosts).complaint,
                own_url=settings.own_url,
                fields_key=fields_key,
                tokens_key=tokens_key,
            )
            async with _beside(Bridge(core, open_channel(engine), seen).run()):
                yield core
    finally:
        await engine.close()


async def _shared_vault(settings: Settings, engine: Engine) -> Vault:
    """Return the vault, making a root key only for a database that has nothing to open yet."""
    if not settings.root_key and not settings.root_key_file.exists() and await is_lived_in(engine):
        text = f"There is no root key: set it, or put the one of the other machines into {settings.root_key_file}."
        raise CannotStart(text)
    return open_vault(settings.root_key_file, settings.root_key)


async def _keys(settings: Settings, store: Store) -> tuple[FieldsKey, TokensKey]:
    """Return the keys, and prove by the way that the root key opens what is sealed; raises `InvalidTag`.

    On PostgreSQL they are kept there for all machines, taken from this one's files where it has some.
    """
    files = {name: settings.data / f"{name}.pem" for name in ("fields-key", "tokens-key")}
    if not settings.database_url:
        await store.prove_key()
        return FieldsKey(files["fields-key"]), TokensKey(files["tokens-key"])
    if len(await store.keys.all()) < len(files):
        await store.prove_key()
    pems = {name: await store.keys.have(name, partial(pem_of, path)) for name, path in files.items()}
    return FieldsKey(pems["fields-key"]), TokensKey(pems["tokens-key"])


@contextlib.asynccontextmanager
async def _beside(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run what never fails for as long as the block lasts; unlike a task group, it leaves the block's errors as is."""
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def web_app(core: Core, settings: Settings, more: Sequence[BaseRoute] = ()) -> ASGIApp:
    """Return the server as one ASGI app; `more` routes come first, as a laptop's extra programs do."""
    routes = [
        *health(core),
        *more,
        *checkout(core, FAREWELLS),
        *widget(core, RECEIPTS),
        *live(core),
    ]
    for dialect in DIALECTS:
        routes += [*dialect.pages(core), *pages(dialect)]
    https = settings.own_url.startswith("https:")
    troubles: dict[Any, Any] = {HTTPException: dead_end, Unavailable: away_for_now}
    rest = Starlette(routes=routes, middleware=[Middleware(Calm)], exception_handlers=troubles)
    app = SecurityHeaders(Api(core, DIALECTS, rest), https=https)
    watch = Watch(app, names_of(routes, DIALECTS), _journal() if settings.log_requests else None)
    quotas = Quotas(settings.writes_per_s, settings.reads_per_s, settings.workers)
    pressure = Pressure(settings.requests_at_once)
    return Gate(watch, DIALECTS, pressure, quotas, turned_away, https=https, held=lambda: core.held)


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
    log_as_json()
    begin_tracing(os.environ)
    program(Assembly(open_core=open_core, web_app=web_app, working=working, metrics=metrics))()


def log_as_json() -> None:
    """Write what is logged as lines of JSON; a traceback tells where, and never what its variables held."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _name_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(told),
            structlog.processors.JSONRenderer(),
        ]
    )


def _render_powens(core: Core, event: Event) -> bytes:
    view = powens.View(event.merchant, core.store.banks.get)
    return powens.write_event(event.payment, view, event.data_id, event.sequence)


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
