"""The real server on a free loopback port for as long as a test lasts: core, web app, workers and sandbox banks.

It runs in the event loop of the test, so a test may also use its `core`; blocking clients go through
`asyncio.to_thread`. Two merchants live in it, and the first has two applications, so that strangers can knock.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
import uvicorn
from starlette.routing import Mount

import opengiro_sandbox
from opengiro.cli.directory import TEST_BANK_ID, sandbox_banks, test_bank
from opengiro.domain.clock import Clock
from opengiro.domain.identifiers import client_id
from opengiro.domain.merchants import Application, Merchant
from opengiro.settings import Settings
from opengiro.store.rsa_file import new_pem
from opengiro.usecases import Core
from opengiro.usecases.grant_token import grant_configuration_token
from opengiro.usecases.move_clock import move_clock
from opengiro.wiring import open_core, web_app, working
from opengiro_sandbox.banks import entry
from tests import engines

Found = TypeVar("Found")

REDIRECT_URI = "https://shop.test/callback"
_GOODBYE_S = 1
_KEY_FILES = ("fields-key.pem", "tokens-key.pem")
IBAN = "FR7630006000011234567890189"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a merchant's developer is given, as `dev.json` would say it."""

    merchant_id: int
    client_id: str
    client_secret: str
    config_token: str
    redirect_uris: tuple[str, ...] = (REDIRECT_URI,)


@dataclass(slots=True, kw_only=True)
class House:
    """A running server. `credentials` are the shop's, `sibling` its other application, `stranger` another merchant."""

    base_url: str  #: without /2.0
    data: Path
    core: Core
    http: httpx2.AsyncClient
    credentials: Credentials
    sibling: Credentials
    stranger: Credentials
    test_bank: str = TEST_BANK_ID
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """Where the powens wire begins."""
        return f"{self.base_url}/2.0"

    @property
    def merchant_id(self) -> int:
        """The shop."""
        return self.credentials.merchant_id

    def now(self) -> datetime:
        """What time it is for the shop."""
        return self.core.now(self.merchant_id)

    async def move(self, step: timedelta) -> datetime:
        """Move the shop's clock ahead; everything due follows within a tick of the workers."""
        self._tokens.clear()
        return await move_clock(self.core, self.merchant_id, step)

    async def token(self, scope: str = "payments:admin", who: Credentials | None = None) -> str:
        """Return a service token, got over HTTP and remembered."""
        who = who or self.credentials
        if (who.client_id, scope) not in self._tokens:
            body = {
                "grant_type": "client_credentials",
                "client_id": who.client_id,
                "client_secret": who.client_secret,
                "scope": scope.split(),
            }
            answer = await self.http.post(f"{self.api}/auth/token", json=body)
            self._tokens[who.client_id, scope] = answer.json()["token"]
        return self._tokens[who.client_id, scope]

    async def scoped(self, payment_id: int, scope: str = "payments:validate") -> str:
        """Return a token for one payment."""
        answer = await self.call("POST", f"/payments/{payment_id}/scopedtoken", {"scope": scope.split()})
        token: str = answer.json()["token"]
        return token

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> httpx2.Response:
        """Call the wire: `call("GET", "/payments")`, as the shop unless another token is given ("" sends none)."""
        token = await self.token() if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        content = {} if body is None else {"json": body}
        return await self.http.request(method, self.api + path, headers=headers, **content)

    async def pay(self, label: str = "Order 1", **changes: Any) -> dict[str, Any]:
        """Create a payment and return it as the wire prints it."""
        answer = await self.call("POST", "/payments", order(label, **changes))
        created: dict[str, Any] = answer.json()
        return created

    async def validate(self, payment_id: int, bank: str | None = None, **more: Any) -> dict[str, Any]:
        """Choose a bank (the test bank) for a payment and return it as the wire prints it."""
        body = {"validated": True, "connector_uuid": bank or self.test_bank, "webview_url": REDIRECT_URI, **more}
        validated: dict[str, Any] = (await self.call("POST", f"/payments/{payment_id}", body)).json()
        return validated

    async def settle(self, payment_id: int, *states: str, within_s: float = 10) -> dict[str, Any]:
        """Return the payment once it is in one of these states."""
        async with asyncio.timeout(within_s):
            while True:
                payment: dict[str, Any] = (await self.call("GET", f"/payments/{payment_id}")).json()
                if payment["state"] in states:
                    return payment
                await asyncio.sleep(0.05)


async def until(look: Callable[[], Awaitable[Found]], within_s: float = 10) -> Found:
    """Look again and again, and return the first thing seen that is true."""
    async with asyncio.timeout(within_s):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.02)


def order(label: str = "Order 1", kind: str = "instant", amount: object = 50.90, **changes: Any) -> dict[str, Any]:
    """Return the body of a payment; `changes` replace its properties."""
    instruction = {
        "label": label,
        "amount": amount,
        "currency": "EUR",
        "execution_date_type": kind,
        "beneficiary": {"scheme_name": "iban", "identification": IBAN, "label": "Shop SARL"},
    }
    return {"client_redirect_uri": REDIRECT_URI, "client_state": "s-1", "instructions": [instruction], **changes}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The real server on loopback with an empty database, two merchants, and a clock to move."""
    async with open_house(tmp_path / "server") as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_house(data: Path, clock: Clock | None = None, url: str | None = None) -> AsyncIterator[House]:
    """Serve from a folder; opening it again is a restart, with new credentials. `clock` sets the real time.

    `url` names the database, empty the folder's file; without it the tests' engine decides.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(
            data=data,
            port=port,
            private_hosts=frozenset({"*"}),
            log_requests=False,
            database_url=engines.database_url(data) if url is None else url,
        )
        _lend_keys(data)
        async with open_core(settings) as opened, working(core := _timed(opened, clock), settings):
            shop = Merchant(merchant_id=1, domain="shop", name="Shop", legal_name="Shop SARL", zone="Europe/Paris")
            other = replace(shop, merchant_id=2, domain="other", name="Other", legal_name="Other SAS")
            listed = [entry(bank, f"{settings.own_url}/sandbox", bank.health) for bank in opengiro_sandbox.BANKS]
            await core.store.banks.save([test_bank(), *sandbox_banks(listed)])
            credentials = [await _move_in(core, merchant) for merchant in (shop, shop, other)]
            banks = opengiro_sandbox.build(data, f"{settings.own_url}/sandbox", lambda: core.now(shop.merchant_id))
            app = web_app(core, settings, [Mount("/sandbox", banks)])
            async with serving(app, listener), httpx2.AsyncClient(timeout=30, trust_env=False) as http:
                yield House(
                    base_url=settings.own_url,
                    data=data,
                    core=core,
                    http=http,
                    credentials=credentials[0],
                    sibling=credentials[1],
                    stranger=credentials[2],
                )


def _lend_keys(data: Path) -> None:
    """Give each house the same keys: drawing them takes longer than all the rest."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _KEY_FILES:
        if not (data / name).exists():
            (data / name).touch(mode=0o600)
            (data / name).write_bytes(_drawn(name))


@cache
def _drawn(_name: str) -> bytes:
    return new_pem()


def _timed(core: Core, clock: Clock | None) -> Core:
    return replace(core, clock=clock) if clock else core


async def _move_in(core: Core, merchant: Merchant) -> Credentials:
    """Give a merchant, made when it is new, one more application."""
    if await core.store.merchants.load(merchant.merchant_id) is None:
        await core.store.merchants.save(merchant, core.clock.real())
    secret = secrets.token_urlsafe(32)
    application = Application(
        merchant_id=merchant.merchant_id,
        client_id=client_id(merchant.merchant_id, core.chance(4)),
        name=merchant.name,
        redirect_uris=(REDIRECT_URI,),
        secret_hash=core.store.vault.fingerprint(secret),
        created_at=core.clock.real(),
    )
    await core.store.applications.insert(application, "test")
    return Credentials(
        merchant_id=merchant.merchant_id,
        client_id=application.client_id,
        client_secret=secret,
        config_token=await grant_configuration_token(core, merchant.merchant_id),
    )


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the test runner, and ends without uvicorn's pauses: there are many of it."""

    ended: asyncio.Event

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110  # uvicorn tells nobody
                    await asyncio.sleep(0.005)
        for task in self.server_state.tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an app on a listener for as long as the block lasts."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
    server = _Quiet(config)
    server.ended = asyncio.Event()
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        if running.done():
            raise RuntimeError("the server under test did not start") from running.exception()
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        server.ended.set()
        await running
