"""The deadline of a request holds for what its sender does, never for what the server takes its time with."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from opengiro.cli import server

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


class Choosy:
    """An app that turns away by the bytes whatever names a kite, and answers the rest."""

    def turn_away(self, data: bytes) -> bytes | None:
        return b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy" if b"kite" in data else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("served")(scope, receive, send)


async def test_a_request_turned_away_by_its_bytes_leaves_the_connection_as_it_was() -> None:
    ready = asyncio.Event()
    with server.listening("127.0.0.1", 0) as listener:
        running = server.Server(Choosy(), ready.set, 1)
        serving = asyncio.create_task(running.serve([listener]))
        await asyncio.wait_for(ready.wait(), PATIENCE_S)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        await _ask(writer, reader, b"GET /kite HTTP/1.1\r\n\r\n", b"busy")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(PATIENCE_S):
            while not any(one._amid for one in running.server_state.connections):  # type: ignore[union-attr]  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the server tells nobody what it has read
        await _ask(writer, reader, b"X: kite\r\n\r\n", b"served")
        await _ask(writer, reader, b"GET /kite HTTP/1.1\r\n\r\n", b"busy")
        writer.close()
        running.should_exit = True
        await serving


async def _ask(writer: asyncio.StreamWriter, reader: asyncio.StreamReader, sent: bytes, heard: bytes) -> None:
    writer.write(sent)
    assert (await asyncio.wait_for(reader.readuntil(heard), PATIENCE_S)).endswith(heard)
