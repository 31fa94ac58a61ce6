"""The shop as an ASGI application.

Mounted inside another application it gets no lifespan, and the payment service may be that other application, ready
a moment later. So enrolling and sweeping run in the background, begin with the lifespan or the first request, and
keep trying.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opengiro_kit import AsyncBanqClient, AsyncPowensClient, Declined, Unreachable
from opengiro_kit.environment import Settings, Unconfigured, from_tables
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo_shop.book import Book
from demo_shop.pages import Pages, Shop
from demo_shop.till import Till, enrol, enrol_banq, sweep

SWEEP_EVERY_S = 15
ENROL_PAUSES_S = (0.2, 0.5, 1, 2, 5, 10, 30)


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def read_settings(world: Mapping[str, Any]) -> Settings:
    """Read what `dev.json` says: where the payments are taken, who the shop is there, and where its widget is."""
    return from_tables(world)


def build(
    data: Path,
    shop_url: str,
    settings: Settings,
    *,
    webhook_secrets: Sequence[str] = (),
    now: Callable[[], datetime] = _wall_clock,
) -> ASGIApp:
    """Return the shop.

    Args:
        data: the folder where the shop keeps `shop.db`.
        shop_url: where visitors find the shop, with its path if it is mounted under one.
        settings: the service that takes the payments, where the shop with a config token registers its own webhook,
            and the one behind the widget: without it, or without the widget's address, there is none.
        webhook_secrets: secrets of a webhook that somebody else registered.

    Raises:
        Unconfigured: nobody told where the payments are taken.
    """
    powens, banq, widget_url = settings.powens, settings.banq, settings.widget_url
    if powens is None:
        raise Unconfigured("the shop has no client of a payment service")
    data.mkdir(parents=True, exist_ok=True)
    book = Book(data / "shop.db", now)
    client = AsyncPowensClient(powens)
    other = AsyncBanqClient(banq) if banq and widget_url else None
    url = shop_url.rstrip("/")
    till = Till(client, book, f"{url}/return", now, banq=other)
    rounds = Rounds(client, book, till, url, tuple(webhook_secrets))
    pages = Pages(Shop(book, till, url, rounds.webhook_secrets, widget_url if other else "", rounds.banq_secrets))
    origins = _origins(powens.base_url, *((banq.base_url, widget_url) if banq and other else ()))
    return Guard(_application(pages, rounds), pages, rounds, _policy(origins))


class Rounds:
    """What the shop does in the background: enrol until it is enrolled, and sweep all the while."""

    def __init__(
        self, client: AsyncPowensClient, book: Book, till: Till, shop_url: str, given: tuple[str, ...]
    ) -> None:
        self._client = client
        self._book = book
        self._till = till
        self._shop_url = shop_url
        self._secrets = given or tuple(book.secrets(client.credentials.base_url).values())
        self._given = bool(given)
        self._banq_secrets: tuple[str, ...] = ()
        self._task: asyncio.Task[None] | None = None

    def webhook_secrets(self) -> tuple[str, ...]:
        """Return the secrets that are valid now."""
        return self._secrets

    def banq_secrets(self) -> tuple[str, ...]:
        """Return the secrets of the other wire that are valid now; until there are some, none of its news is heard."""
        return self._banq_secrets

    def begin(self) -> None:
        """Start, unless started already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="demo shop rounds")

    async def end(self) -> None:
        """Stop and close the connections."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._client.close()
        if self._till.banq:
            await self._till.banq.close()

    async def _run(self) -> None:
        # Late news is swept up even where webhooks cannot be had.
        async with asyncio.TaskGroup() as rounds:
            rounds.create_task(self._sweep())
            if self._client.credentials.config_token and not self._given:
                rounds.create_task(_persist(self._enrol))
            if self._till.banq:
                rounds.create_task(_persist(self._enrol_banq))

    async def _sweep(self) -> None:
        while True:
            with suppress(Unreachable):
                await sweep(self._till, self._book)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def _enrol(self) -> None:
        name = f"Brise et Fils {secrets.token_hex(4)}"
        webhook_url = f"{self._shop_url}/webhook"
        self._secrets = tuple(await enrol(self._client, self._book, webhook_url, self._till.return_url, name))

    async def _enrol_banq(self) -> None:
        if self._till.banq:
            webhook_url = f"{self._shop_url}/webhook/banq"
            self._banq_secrets = tuple(await enrol_banq(self._till.banq, self._book, webhook_url))


async def _persist(enrol_once: Callable[[], Awaitable[None]]) -> None:
    tries = 0
    while True:
        try:
            await enrol_once()
        except (Declined, Unreachable):
            await asyncio.sleep(ENROL_PAUSES_S[min(tries, len(ENROL_PAUSES_S) - 1)])
            tries += 1
        else:
            return


class Guard:
    """Starts the rounds, refuses forms of other sites and sets the headers that protect every page."""

    def __init__(self, app: ASGIApp, pages: Pages, rounds: Rounds, policy: str) -> None:
        self._app = app
        self._pages = pages
        self._rounds = rounds
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._rounds.begin()
        app = self._pages.refused(Request(scope)) if _foreign_form(scope) else self._app
        await app(scope, receive, self._protecting(send))

    def _protecting(self, send: Send) -> Send:
        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["content-security-policy"] = self._policy
                headers["referrer-policy"] = "same-origin"
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        return protected


def _foreign_form(scope: Scope) -> bool:
    site = Request(scope).headers.get("sec-fetch-site", "")
    return scope["method"] == "POST" and site in {"cross-site", "same-site"}


def _origins(*addresses: str) -> str:
    """Return the origins of these addresses as a policy lists them."""
    parts = map(urlsplit, addresses)
    return " ".join(dict.fromkeys(f"{one.scheme}://{one.netloc}" for one in parts))


def _policy(origins: str) -> str:
    # Chromium holds the redirect after a form against form-action, and paying begins with a form.
    return (
        f"default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self' {origins}; "
        f"connect-src 'self' {origins}; frame-src {origins}; form-action 'self' {origins}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _application(pages: Pages, rounds: Rounds) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        rounds.begin()
        yield
        await rounds.end()

    async def missing(request: Request, _: Exception) -> Response:
        return pages.missing(request)

    async def broken(request: Request, _: Exception) -> Response:
        return pages.broken(request)

    static = Mount("/static", StaticFiles(packages=[("demo_shop", "static")]))
    return Starlette(
        routes=[*pages.routes(), static],
        lifespan=lifespan,
        exception_handlers={404: missing, 500: broken},
    )
