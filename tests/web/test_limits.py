"""Too much at once is refused early and told when to come again; payers under way and other merchants are spared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest

from opengiro.domain.identifiers import mint_token
from opengiro.domain.refusals import Refusal
from opengiro.settings import Settings
from opengiro.telemetry.meters import REGISTRY
from opengiro.web.checkout.troubles import turned_away
from opengiro.web.limits.gate import Gate
from opengiro.web.limits.heads import credential, size
from opengiro.web.limits.pressure import Pressure
from opengiro.web.limits.quotas import Quota, Quotas
from opengiro.web.limits.urgency import Urgency, new_paths, urgency
from opengiro.wiring import DIALECTS, web_app
from tests.server import House, order, until

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

NEW = new_paths(DIALECTS)


class Kitchen:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.served = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await receive()
        await self.ready.wait()
        self.served += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Guest:
    """A caller of a gate, whose body may never come."""

    def __init__(self, path: str, method: str = "POST", *, silent: bool = False) -> None:
        self.scope: dict[str, Any] = {"type": "http", "path": path, "method": method, "headers": []}
        self.silent = silent
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        if self.silent:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"{}"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        self.body += message.get("body", b"")

    def enter(self, gate: Gate) -> asyncio.Task[None]:
        return asyncio.ensure_future(gate(self.scope, self.receive, self.send))


async def seated(gate: Gate, *guests: Guest) -> list[asyncio.Task[None]]:
    """Let guests in, and go on when each has gone as far as it can."""
    tasks = [guest.enter(gate) for guest in guests]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


def pressed(room: int) -> Pressure:
    """Return the pressure of a process that has had no room for a while."""
    pressure = Pressure(room)
    pressure.full_ticks = 99
    return pressure


def new_gate(app: Any, room: int | Pressure = 2, *, held: bool = False) -> Gate:
    pressure = room if isinstance(room, Pressure) else pressed(room)
    return Gate(app, DIALECTS, pressure, Quotas(0, 0), turned_away, https=True, held=lambda: held)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/2.0/payments", Urgency.NEW),
        ("/2.0/payments/", Urgency.NEW),
        ("/2.0/auth/token", Urgency.NEW),
        ("/oauth/token", Urgency.NEW),
        ("/api/v1/payments/get-paid-link", Urgency.NEW),
        ("/webhooks/auth", Urgency.NEW),
        ("/2.0/payments/7", Urgency.UNDER_WAY),
        ("/checkout/a1", Urgency.UNDER_WAY),
        ("/", Urgency.UNDER_WAY),
        ("/healthz", Urgency.FREE),
        ("/live/7/events", Urgency.FREE),
    ],
)
def test_what_begins_something_is_less_urgent_than_what_is_under_way(path: str, kind: Urgency) -> None:
    assert urgency(path, NEW) is kind


async def test_a_full_process_turns_new_requests_away_and_serves_payers_on() -> None:
    kitchen = Kitchen()
    gate, late, payer = new_gate(kitchen), Guest("/2.0/payments"), Guest("/checkout/a1", "GET")
    tasks = await seated(gate, Guest("/2.0/payments"), Guest("/2.0/payments"), late, payer, Guest("/healthz", "GET"))
    assert late.status == 503
    assert int(late.headers[b"retry-after"]) in {1, 2, 3}
    assert msgspec.json.decode(late.body)["code"] == "serviceUnavailable"
    kitchen.ready.set()
    await asyncio.gather(*tasks)
    assert (kitchen.served, payer.status) == (4, 200)
    again = Guest("/2.0/payments")
    await asyncio.gather(*await seated(gate, again))
    assert again.status == 200


@pytest.mark.parametrize(
    ("path", "member"), [("/api/v1/payments/get-paid-link", "message"), ("/oauth/token", "error_description")]
)
async def test_each_wire_words_it_in_its_own_way(path: str, member: str) -> None:
    gate, late = new_gate(Kitchen(), 1), Guest(path)
    tasks = await seated(gate, Guest(path), late)
    assert (late.status, list(msgspec.json.decode(late.body))) == (503, ["error", member])
    assert b"strict-transport-security" in late.headers
    tasks[0].cancel()


BROWSER = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")


@pytest.mark.parametrize("path", ["/checkout/a1", "/2.0/auth/webview/payment"])
async def test_a_payer_who_is_turned_away_sees_a_page_that_looks_again(path: str) -> None:
    pressure = Pressure(2)
    gate, payer, shop = new_gate(Kitchen(), pressure), Guest(path, "GET"), Guest(path, "GET")
    pressure.lag_s = 5.0
    payer.scope["headers"] = [BROWSER, (b"accept-language", b"fr")]
    await asyncio.gather(*await seated(gate, payer, shop))
    assert (payer.status, payer.headers[b"content-type"]) == (503, b"text/html; charset=utf-8")
    assert f'href="" data-again="{payer.headers[b"retry-after"].decode()}"' in payer.body.decode()
    assert "Un instant" in payer.body.decode()
    assert {b"strict-transport-security", b"x-request-id", b"content-security-policy"} <= payer.headers.keys()
    assert b"<html" not in shop.body


async def test_a_payer_on_a_held_copy_is_told_that_nothing_was_done() -> None:
    payer = Guest("/checkout/1-a/choose")
    payer.scope["headers"] = [BROWSER]
    await asyncio.gather(*await seated(new_gate(Kitchen(), held=True), payer))
    assert payer.status == 503
    assert "No payments are taken here at the moment" in payer.body.decode()
    assert 'href="/checkout/1-a">' in payer.body.decode()


async def test_whoever_sends_slowly_takes_no_room() -> None:
    kitchen = Kitchen()
    kitchen.ready.set()
    gate, prompt = new_gate(kitchen), Guest("/2.0/payments")
    tasks = await seated(gate, *(Guest("/2.0/payments", silent=True) for _ in range(9)), prompt)
    assert prompt.status == 200
    for task in tasks:
        task.cancel()


async def test_who_leaves_gives_the_room_back() -> None:
    gate = new_gate(Kitchen(), 1)
    (gone,) = await seated(gate, Guest("/2.0/payments"))
    gone.cancel()
    await asyncio.wait([gone])
    late = Guest("/2.0/payments")
    (task,) = await seated(gate, late)
    assert late.status == 0
    task.cancel()


async def test_a_loop_that_stays_late_refuses_new_requests_and_then_payers() -> None:
    pressure = Pressure(1000)
    assert not pressure.refuses(Urgency.NEW)
    pressure.lag_s = 1.0
    assert [kind for kind in Urgency if pressure.refuses(kind)] == [Urgency.NEW]
    pressure.lag_s = 5.0
    assert [kind for kind in Urgency if pressure.refuses(kind)] == [Urgency.NEW, Urgency.UNDER_WAY]


async def test_a_moment_without_room_refuses_nobody() -> None:
    pressure = Pressure(2)
    pressure.in_flight[Urgency.NEW] = 7
    assert not pressure.refuses(Urgency.NEW)
    pressure.in_flight[Urgency.NEW] = 8
    assert pressure.refuses(Urgency.NEW)


async def test_no_room_for_a_while_does_and_a_moment_with_room_ends_it() -> None:
    pressure = Pressure(2)
    pressure.in_flight[Urgency.NEW] = 2

    async def refuses() -> bool:
        return pressure.refuses(Urgency.NEW)

    assert await until(refuses)
    assert not pressure.refuses(Urgency.UNDER_WAY)
    pressure.in_flight[Urgency.NEW] = 1

    async def is_patient() -> bool:
        return pressure.room(Urgency.NEW) == 7

    assert await until(is_patient)


async def test_lateness_counts_while_it_lasts_and_is_forgotten_when_nobody_comes() -> None:
    pressure = Pressure(1000)
    pressure.refuses(Urgency.NEW)
    pressure.in_flight[Urgency.NEW] = 1
    for _ in range(14):
        time.sleep(0.05)  # noqa: ASYNC251  # it is the loop that has to be held up
        await asyncio.sleep(0)
    assert pressure.lag_s > 0
    pressure.in_flight[Urgency.NEW] = 0

    async def calm() -> bool:
        return pressure.lag_s == 0

    assert await until(calm)


PLAIN = b"POST /2.0/payments HTTP/1.1\r\nhost: a\r\nContent-Length: 2\r\n\r\n{}"
HEAD = b"host: a\r\n\r\n"
BARE = b"GET /2.0/payments HTTP/1.1\r\nhost: a\r\n\r\n"


def full_gate() -> Gate:
    pressure = pressed(1)
    pressure.in_flight[Urgency.NEW] = 1
    return new_gate(Kitchen(), pressure)


@pytest.mark.parametrize(
    "line",
    [
        b"POST /2.0/payments/7 HTTP/1.1\r\n",
        b"POST /2.0/payments HTTP/1.0\r\n",
        b"HEAD /2.0/payments HTTP/1.1\r\n",  # its answer has no body
        b"POST /checkout/a1 HTTP/1.1\r\n",
        b"POST /2.0/payments HTTP/1.1",
        b"POST /2.0/payments",
        b"",
    ],
)
async def test_what_begins_nothing_new_is_not_refused_by_its_bytes(line: bytes) -> None:
    assert full_gate().turn_away(line + HEAD) is None


@pytest.mark.parametrize("asked", [b"POST /2.0/payments", b"GET /2.0/payments?limit=9", b"POST /oauth/token"])
async def test_a_refusal_by_the_bytes_is_a_whole_answer(asked: bytes) -> None:
    gate = full_gate()
    answers = [(gate.turn_away(asked + b" HTTP/1.1\r\n" + HEAD) or (b"", 0))[0] for _ in range(3)]
    assert {answer.partition(b"retry-after: ")[2][:3] for answer in answers} == {b"1\r\n", b"2\r\n", b"3\r\n"}
    head, _, body = answers[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"\r\ncontent-length: {len(body)}\r\n".encode() in head
    assert b"\r\nstrict-transport-security: " in head
    number = head.partition(b"x-request-id: ")[2][:16]
    assert msgspec.json.decode(body).get("request_id", int(number)) == int(number)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (BARE, len(BARE)),
        (PLAIN, len(PLAIN)),
        (PLAIN[:-1], len(PLAIN)),  # what is missing comes later
        (PLAIN + BARE, len(PLAIN)),  # another follows
        (BARE.replace(b"host: a", b"Connection: Keep-Alive"), len(BARE) + 15),
        (PLAIN.replace(b": 2", b":  2 "), len(PLAIN) + 2),
        (PLAIN.replace(b": 2", b": 999999999"), len(PLAIN) - 2 + 8 + 999_999_999),
    ],
)
def test_a_plain_head_says_where_its_request_ends(data: bytes, length: int) -> None:
    assert size(data) == length


@pytest.mark.parametrize(
    "data",
    [
        BARE[:-1],
        PLAIN.replace(b"host: a", b"Transfer-Encoding: chunked"),
        PLAIN.replace(b"host: a", b"Expect: 100-continue"),
        PLAIN.replace(b"host: a", b"Upgrade: websocket"),
        PLAIN.replace(b"host: a", b"Connection: close"),
        PLAIN.replace(b"host: a", b"Connection:close"),
        PLAIN.replace(b"host: a", b"Connection: keep-alive, close"),
        PLAIN.replace(b"host: a", b"Content-Length: 2"),
        PLAIN.replace(b"host: a", b"host: a\nx: y"),
        PLAIN.replace(b"host: a", b"host: a\rx: y"),
        PLAIN.replace(b"\r\nContent", b"\rContent"),
        PLAIN.replace(b"\r\nContent", b"\r\n Content"),
        PLAIN.replace(b"Length:", b"Length :"),
        PLAIN.replace(b": 2", b": +2"),
        PLAIN.replace(b": 2", b": 2, 2"),
        PLAIN.replace(b": 2", b": "),
        PLAIN.replace(b": 2", b": " + b"1" * 5000),
        b"",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_left_to_the_parser(data: bytes) -> None:
    assert size(data) is None


async def test_a_full_process_refuses_by_the_bytes_and_one_with_room_by_nothing() -> None:
    gate = new_gate(Kitchen(), 1)
    assert gate.turn_away(PLAIN) is None
    (task,) = await seated(gate, Guest("/2.0/payments"))
    answer, length = gate.turn_away(PLAIN) or (b"", 0)
    assert answer.startswith(b"HTTP/1.1 503")
    assert length == len(PLAIN)
    assert gate.turn_away(PLAIN.replace(b"/payments", b"/payments/7")) is None
    assert gate.turn_away(PLAIN.replace(b"host: a", b"Expect: 100-continue")) is None
    task.cancel()


async def test_what_the_loop_has_read_and_not_begun_yet_takes_room() -> None:
    gate = new_gate(Kitchen(), 2)
    assert [gate.turn_away(PLAIN) is None for _ in range(4)] == [True, True, False, False]
    await asyncio.sleep(0)  # nothing came of them
    assert gate.turn_away(PLAIN) is None


async def test_every_refusal_by_the_bytes_is_counted() -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("opengiro_sheds_total", {"why": Refusal.OVERLOADED, "urgency": "new"}) or 0.0

    gate, before = new_gate(Kitchen(), 1), counted()
    for _ in range(3):
        for _ in range(3):
            gate.turn_away(PLAIN)
        await asyncio.sleep(0)

    async def all_counted() -> bool:
        return counted() - before == 6

    assert await until(all_counted)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"Authorization: Bearer a.b", b"Bearer a.b"),
        (b"authorization:\tBearer a.b \t", b"Bearer a.b"),
        (b"x: authorization: Bearer a.b", b""),
        (b"authorization:", b""),
    ],
)
def test_a_credential_is_read_from_the_head_as_the_parser_would(line: bytes, value: bytes) -> None:
    assert credential(PLAIN.replace(b"host: a", line)) == value
    assert credential(PLAIN + b"\r\n" + line + b"\r\n\r\n") == b""


async def test_a_merchant_above_its_quota_is_refused_by_the_bytes_and_charged_once_for_each_that_is_not() -> None:
    kitchen = Kitchen()
    kitchen.ready.set()
    gate = Gate(kitchen, DIALECTS, Pressure(90), Quotas(1, 0), turned_away, https=True)
    gate.learn(hash(b"Bearer a"), 7)
    data = PLAIN.replace(b"host: a", b"Authorization: Bearer a")
    answers = [gate.turn_away(data) for _ in range(12)]
    assert answers[:10] == [None] * 10  # as many as any quota lets in at once
    assert [answer[0][:12] for answer in answers[10:] if answer] == [b"HTTP/1.1 429"] * 2
    assert gate.turn_away(PLAIN) is None  # of somebody else
    guests = [Guest("/2.0/payments") for _ in range(11)]
    for guest in guests:
        guest.scope["headers"] = [(b"authorization", b"Bearer a")]
    await asyncio.gather(*await seated(gate, *guests))
    assert [guest.status for guest in guests] == [200] * 10 + [429]


def test_an_allowance_is_used_up_and_comes_back() -> None:
    quota = Quota(64)
    assert [quota.take(1, 100.0) for _ in range(32)] == [0.0] * 32
    wait_s = quota.take(1, 100.0)
    assert 0 < wait_s <= 0.02
    assert quota.take(2, 100.0) == 0.0
    assert quota.take(1, 100.0 + wait_s) == 0.0


def test_a_small_allowance_still_lets_ten_in_at_once() -> None:
    quota = Quota(0.1)
    assert [quota.take(1, 5.0) for _ in range(10)] == [0.0] * 10
    assert 0 < quota.take(1, 5.0) <= 10


def test_no_quota_means_no_limit() -> None:
    assert [Quotas(0, 0).take(1, 5.0, writes=True) for _ in range(100)] == [0.0] * 100


def rationed(house: House) -> httpx2.AsyncClient:
    """A client of the same house through a gate with small quotas."""
    settings = Settings(data=Path("unused"), writes_per_s=2, reads_per_s=2, log_requests=False)
    app = web_app(house.core, settings)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=house.base_url)


def create(http: httpx2.AsyncClient, token: str) -> Callable[[], Any]:
    return lambda: http.post("/2.0/payments", json=order(), headers={"authorization": f"Bearer {token}"})


async def test_a_merchant_above_its_quota_waits_and_its_neighbour_does_not(house: House) -> None:
    noisy, quiet = await house.token(), await house.token(who=house.stranger)
    async with rationed(house) as http:
        answers = await asyncio.gather(*(create(http, noisy)() for _ in range(40)))
        assert (await create(http, quiet)()).status_code == 200
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "tooManyRequests"
    assert int(refused.headers["retry-after"]) >= 1


async def test_reads_and_writes_have_allowances_of_their_own(house: House) -> None:
    token = await house.token()
    async with rationed(house) as http:
        await asyncio.gather(*(create(http, token)() for _ in range(40)))
        listed = await http.get("/2.0/payments", headers={"authorization": f"Bearer {token}"})
    assert listed.status_code == 200


async def test_forged_tokens_do_not_use_up_the_allowance_of_the_merchant_they_name(house: House) -> None:
    async with rationed(house) as http:
        forged = [mint_token(house.merchant_id, bytes([number]) * 32) for number in range(40)]
        answers = await asyncio.gather(*(create(http, token)() for token in forged))
        assert {answer.status_code for answer in answers} == {401}
        assert (await create(http, await house.token())()).status_code == 200
