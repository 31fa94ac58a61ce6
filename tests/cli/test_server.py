"""The deadline of a request holds for what its sender does, never for what the server takes its time with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from opengiro.cli import server
from opengiro.web.limits.heads import size

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LONG_S = 1.2
PATIENCE_S = 15


async def ponder(request: Request) -> Response:
    body = await request.body()
    await asyncio.sleep(LONG_S)
    return PlainTextResponse(body or b"nothing")


async def follow(socket_: WebSocket) -> None:
    await socket_.accept()
    await asyncio.sleep(LONG_S)
    await socket_.send_text("still here")
    await socket_.close()


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server whose deadline is shorter than its answers."""
    monkeypatch.setattr(server, "REQUEST_S", LONG_S / 4)
    app = Starlette(routes=[Route("/", ponder, methods=["GET", "POST"]), WebSocketRoute("/follow", follow)])
    ready = asyncio.Event()
    with server.listening("127.0.0.1", 0) as listener:
        running = server.Server(app, ready.set, 1)
        serving = asyncio.create_task(running.serve([listener]))
        await asyncio.wait_for(ready.wait(), PATIENCE_S)
        yield listener.getsockname()[1]
        running.should_exit = True
        await serving


async def test_a_slow_answer_reaches_who_asked_in_time(port: int) -> None:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE_S) as http:
        for _ in range(2):  # the second comes on the same connection
            assert (await http.post(f"http://127.0.0.1:{port}/", content=b"kite")).text == "kite"


async def test_a_websocket_outlives_the_deadline(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/follow", proxy=None) as followed:
        assert await followed.recv() == "still here"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nkit",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n",
    ],
)
async def test_who_does_not_finish_a_request_is_hung_up_on(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(sent)
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), PATIENCE_S)
    writer.close()


KITE = b"POST /kite HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s"
BOAT = b"GET /boat HTTP/1.1\r\nhost: x\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"


class Choosy:
    """An app that turns away by the bytes whatever asks for a kite, and answers the rest."""

    def turn_away(self, data: bytes) -> tuple[bytes, int] | None:
        return (BUSY, size(data) or 0) if data.startswith(b"POST /kite ") else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"{scope['path']} served")(scope, receive, send)


@dataclass
class Caller:
    """One connection to a server that serves `Choosy`."""

    server: server.Server
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def protocol(self) -> Any:
        (found,) = self.server.server_state.connections
        return found

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each when the server has read the one before."""
        for piece in pieces:
            before = self.protocol.taken
            self.writer.write(piece)
            async with asyncio.timeout(PATIENCE_S):
                while self.protocol.taken - before < len(piece):  # noqa: ASYNC110  # as everywhere here
                    await asyncio.sleep(0.01)  # the server tells nobody what it has read

    async def hear(self, *answers: bytes) -> None:
        """Hear these answers, by how they end."""
        for answer in answers:
            assert answer in await asyncio.wait_for(self.reader.readuntil(answer), PATIENCE_S)


class Telling(server._Punctual):
    """Keeps count of what it has read."""

    taken = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.taken += len(data)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    ready = asyncio.Event()
    with server.listening("127.0.0.1", 0) as listener:
        running = server.Server(Choosy(), ready.set, 1)
        running.config.http, running.config.timeout_keep_alive = Telling, 1
        serving = asyncio.create_task(running.serve([listener]))
        await asyncio.wait_for(ready.wait(), PATIENCE_S)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        async with asyncio.timeout(PATIENCE_S):
            while not running.server_state.connections:  # noqa: ASYNC110  # as above
                await asyncio.sleep(0.01)
        yield Caller(running, reader, writer)
        writer.close()
        running.should_exit = True
        await serving


async def test_a_request_turned_away_by_its_bytes_leaves_the_connection_as_it_was(caller: Caller) -> None:
    for _ in range(2):
        await caller.send(KITE % (2, b"{}"))
        await caller.hear(b"busy")
        await caller.send(BOAT)
        await caller.hear(b"/boat served")


async def test_a_body_that_comes_after_its_refusal_is_no_new_request(caller: Caller) -> None:
    await caller.send(KITE % (len(BOAT), b""))
    await caller.hear(b"busy")
    await caller.send(BOAT[:3], BOAT[3:], KITE % (len(KITE), KITE[:9]))
    await caller.hear(b"\r\n\r\nbusy")
    await caller.send(KITE[9:] + BOAT)
    await caller.hear(b"/boat served")


async def test_requests_that_come_together_are_answered_in_turn(caller: Caller) -> None:
    await caller.send((KITE % (2, b"{}")) * 2 + BOAT)
    await caller.hear(BUSY + BUSY + b"HTTP/1.1 200", b"/boat served")
    await caller.send(BOAT + KITE % (2, b"{}"))
    await caller.hear(b"/boat served", b"/kite served")  # who has begun to be read is read on


async def test_a_request_that_began_before_is_read_to_its_end(caller: Caller) -> None:
    await caller.send(BOAT[:-2], b"X: ", KITE % (2, b"{}"))
    await caller.hear(b"/boat served")


async def test_who_was_turned_away_and_keeps_silent_is_hung_up_on(caller: Caller) -> None:
    await caller.send(BOAT, KITE % (9, b"{}"))
    await caller.hear(b"/boat served", b"busy")
    assert await asyncio.wait_for(caller.reader.read(), PATIENCE_S) == b""


async def test_who_is_turned_away_again_and_again_stays_connected(caller: Caller) -> None:
    for _ in range(2):
        await caller.send(KITE % (2, b"{}"))
        await caller.hear(b"busy")
        caller.protocol.timeout_keep_alive_handler()  # a timer from before
    await caller.send(BOAT)
    await caller.hear(b"/boat served")
