"""Somebody who follows a payment live, over whichever transport, and a server whose limits a test may choose."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette

from opengiro.usecases import Core
from opengiro.usecases.grant_live_token import grant_page_token
from opengiro.web.headers import SecurityHeaders
from opengiro.web.live.limits import Limits
from opengiro.web.live.routes import live
from opengiro.web.live.seats import Seats
from tests.server import House

News = dict[str, Any]
SOCKETS = find_spec("websockets") is not None


def need_sockets() -> None:
    """Skip where uvicorn has no library to speak WebSocket with; a build has to have it."""
    if not SOCKETS and os.environ.get("CI") == "true":
        pytest.fail("no websockets package, and a build must run the WebSocket tests")
    if not SOCKETS:
        pytest.skip("uvicorn speaks WebSocket with the websockets package, which is not installed")


@dataclass(slots=True)
class Follower:
    """One follower with a live token of one payment."""

    client: aiohttp.ClientSession
    base_url: str
    payment_id: int
    token: str

    def url(self, transport: str) -> str:
        """Where a transport of the payment is."""
        return f"{self.base_url}/live/{self.payment_id}/{transport}"

    @contextlib.asynccontextmanager
    async def stream(self, after: int | None = None, **headers: str) -> AsyncIterator[Stream]:
        """Open an event stream as an `EventSource` would, from the last event known."""
        known = {} if after is None else {"Last-Event-ID": str(after)}
        asked = self.client.get(self.url("events"), params={"token": self.token}, headers=known | headers)
        async with asked as answer:
            yield Stream(answer)

    @contextlib.asynccontextmanager
    async def socket(self, after: int | None = -1, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket as a browser would, with the token among the subprotocols."""
        need_sockets()
        url = self.url("socket") + ("" if after is None else f"?last_event_id={after}")
        async with self.client.ws_connect(url, protocols=("opengiro", self.token), headers=headers) as opened:
            yield opened

    async def poll(self, after: int = -1, **query: str) -> list[News]:
        """Poll once; without `wait` it waits as long as the server likes."""
        asked = {"after": str(after), "token": self.token, **query}
        async with self.client.get(self.url("poll"), params=asked) as answer:
            assert answer.status == 200, await answer.text()
            events: list[News] = (await answer.json())["events"]
            return events


class Stream:
    """Reads server-sent events; comments are counted and otherwise skipped."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        """Read what an answer carries."""
        self.answer = answer
        self.status = answer.status
        self.beats = 0
        self.last: int | None = None  #: the last id, as an EventSource would send it back

    def __aiter__(self) -> AsyncIterator[News]:
        """Yield events until the server ends the stream."""
        return self._events()

    async def next(self, kind: str | None = None) -> News:
        """Return the next event, or the next of a kind."""
        async with asyncio.timeout(15):
            async for event in self:
                if kind is None or event["type"] == kind:
                    return event
        raise AssertionError("the stream ended")

    async def _events(self) -> AsyncIterator[News]:
        while line := await self.answer.content.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self.last = int(value)
            elif name == "data":
                yield json.loads(value)
            elif name == "":
                self.beats += bool(value)


async def follower(
    house: House, client: aiohttp.ClientSession, payment_id: int, base_url: str | None = None
) -> Follower:
    """Return a follower of a payment with a token of their own."""
    grant = await grant_page_token(house.core, await house.core.payment(house.merchant_id, payment_id))
    return Follower(client, base_url or house.base_url, payment_id, grant.token)


@dataclass(slots=True)
class Desk:
    """A server of live status only."""

    base_url: str
    seats: Seats


@contextlib.asynccontextmanager
async def live_desk(core: Core, limits: Limits, patience_ms: int = 0) -> AsyncIterator[Desk]:
    """Serve live status alone, with limits that a test can reach; `patience_ms` is the kernel's with a stuck reader."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if patience_ms:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        seats = Seats(limits)
        app = SecurityHeaders(Starlette(routes=list(live(core, limits, seats))), https=False)
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        server.config.load()
        running = asyncio.create_task(server._serve([listener]))
        await until(lambda: server.started)
        try:
            yield Desk(f"http://127.0.0.1:{listener.getsockname()[1]}", seats)
        finally:
            server.should_exit = True
            await running


async def until(met: Callable[[], bool]) -> None:
    """Wait for what rings no bell: kernels, closed sockets, attributes."""
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.02)
