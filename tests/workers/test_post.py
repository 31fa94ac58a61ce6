"""One attempt against receivers that behave, and against every kind that does not."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from datetime import timedelta

import pytest

from opengiro.domain.clock import EPOCH
from opengiro.domain.deliveries import Failure, Outcome
from opengiro.usecases.deliver_event import TooLate
from opengiro.workers.guard import Guard
from opengiro.workers.post import BODY_MAX, Post
from tests.workers.sink import Behave, Request, answer, hang, sink


async def send(behave: Behave, *, deadline_s: float = 5) -> tuple[Outcome, list[Request]]:
    async with sink(behave) as found, Post(Guard(frozenset({"*"})), deadline_s=deadline_s) as post:
        return await post.send(found.url, {"User-Agent": "OpenGiro/1"}, b'{"id": 1}'), found.requests


@pytest.mark.parametrize(
    ("status", "accepted"),
    [
        (200, True),
        (204, True),
        (299, True),
        (300, False),
        (400, False),
        (410, False),
        (429, False),
        (500, False),
    ],
)
async def test_any_2xx_is_accepted_and_nothing_else(status: int, accepted: bool) -> None:
    outcome, _ = await send(answer(status, b"" if status == 204 else b"seen"))
    assert (outcome.status, outcome.accepted, outcome.failure) == (status, accepted, None)


async def test_the_request_goes_out_as_it_was_given_and_asks_for_plain_bytes() -> None:
    _, (request,) = await send(answer(200))
    assert request.line == "POST /hook HTTP/1.1"
    assert request.body == b'{"id": 1}'
    assert request.headers["user-agent"] == "OpenGiro/1"
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers


async def test_the_answer_is_kept_for_the_log_with_what_it_asked_for() -> None:
    outcome, _ = await send(answer(503, b"busy", Retry_After="90", X_Trace="abc"))
    assert outcome.body == b"busy"
    assert outcome.retry_after == timedelta(seconds=90)
    assert ("x-trace", "abc") in outcome.headers


async def test_cookies_are_not_kept_between_attempts() -> None:
    async with sink(answer(200, Set_Cookie="a=b")) as found, Post(Guard(frozenset({"*"}))) as post:
        for _ in range(2):
            await post.send(found.url, {}, b"")
    assert all("cookie" not in request.headers for request in found.requests)


async def test_a_receiver_that_never_answers_costs_no_more_than_the_deadline() -> None:
    outcome, requests = await send(hang, deadline_s=0.2)
    assert (outcome.status, outcome.failure) == (None, Failure.TIMEOUT)
    assert len(requests) == 1


async def test_an_endless_body_is_cut_and_its_connection_closed() -> None:
    closed = asyncio.Event()

    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            closed.set()
            raise

    async with sink(endless) as found, Post(Guard(frozenset({"*"}))) as post:
        outcome = await post.send(found.url, {}, b"")
        await asyncio.wait_for(closed.wait(), 5)
    assert outcome.accepted
    assert outcome.body == b"x" * BODY_MAX


async def test_a_dripping_body_ends_with_the_deadline_and_the_status_counts() -> None:
    async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.02)

    outcome, _ = await send(drip, deadline_s=0.3)
    assert outcome.accepted
    assert 0 < len(outcome.body) < 1000


async def test_slow_headers_end_with_the_deadline() -> None:
    async def slow(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    outcome, _ = await send(slow, deadline_s=0.3)
    assert outcome.failure is Failure.TIMEOUT


async def test_a_compressed_bomb_stays_packed() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    outcome, _ = await send(answer(200, bomb, Content_Encoding="gzip"))
    assert outcome.body == bomb[:BODY_MAX]


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"",
        b"HTTP/1.1 200 X\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 abc X\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_broken_answer(said: bytes) -> None:
    async def babble(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        raise ConnectionResetError

    outcome, _ = await send(babble)
    assert (outcome.status, outcome.failure) == (None, Failure.BROKEN)


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with Post(Guard(frozenset({"*"}))) as post:
            outcome = await post.send(f"http://127.0.0.1:{held.getsockname()[1]}/", {}, b"")
    assert outcome.failure is Failure.UNREACHABLE


async def test_a_name_without_address_is_unresolved() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    async with Post(Guard(lookup=nowhere)) as post:
        assert (await post.send("https://shop.test/", {}, b"")).failure is Failure.UNRESOLVED


@pytest.mark.parametrize("kept_open", [False, True], ids=["new connection", "kept connection"])
async def test_what_may_not_leave_any_more_when_the_connection_stands_does_not(kept_open: bool) -> None:
    until = EPOCH + timedelta(seconds=40)
    now = EPOCH
    async with sink() as found:
        async with Post(Guard(frozenset({"*"})), now=lambda: now) as post:
            if kept_open:
                await post.send(found.url, {}, b"first", until)
            now = until
            with pytest.raises(TooLate):
                await post.send(found.url, {}, b"late", until)
            now = EPOCH
            await post.send(found.url, {}, b"next", until)
        await asyncio.wait(found.tasks)
    assert [request.body for request in found.requests] == [b"first", b"next"][not kept_open :]
    assert found.torn == [b"", b""], "two connections, and each ended between requests"


async def test_a_certificate_nobody_vouches_for_is_refused(certificate: ssl.SSLContext) -> None:
    async with (
        sink(answer(200), ssl=certificate) as found,
        Post(Guard(frozenset({"*"}), lookup=_loopback)) as post,
    ):
        outcome = await post.send(f"https://shop.test:{found.port}/", {}, b"")
    assert outcome.failure is Failure.TLS
    assert found.requests == []


async def test_tls_names_the_host_and_not_the_address(certificate: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    named: list[str | None] = []
    certificate.sni_callback = lambda _socket, name, _context: named.append(name)
    async with (
        sink(answer(200), ssl=certificate) as found,
        Post(Guard(frozenset({"*"}), lookup=_loopback), tls=trust) as post,
    ):
        outcome = await post.send(f"https://shop.test:{found.port}/", {}, b"")
    assert outcome.accepted
    assert named == ["shop.test"]


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]
