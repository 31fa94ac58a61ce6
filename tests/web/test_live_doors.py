"""Who may follow a payment, how many at once, and what becomes of a reader who stops reading."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from pytest_asyncio import fixture

from opengiro.domain.merchants import origin_of
from opengiro.web.live.limits import Limits
from tests.server import House, open_house
from tests.web.follower import Follower, follower, live_desk, need_sockets, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "https://shop.test"
TRANSPORTS = ("events", "poll", "socket")


@fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """One server for all that leave the clock alone: each follows a payment of its own."""
    async with open_house(tmp_path_factory.mktemp("server")) as opened:
        yield opened


@fixture(loop_scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


@fixture(loop_scope="module")
async def shopper(house: House, client: aiohttp.ClientSession) -> Follower:
    return await follower(house, client, (await house.pay())["id"])


async def _knock(shopper: Follower, transport: str, token: str | None, **headers: str) -> aiohttp.ClientResponse:
    """Ask for a transport, as far as its first answer, and leave."""
    if transport == "socket":
        need_sockets()
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        headers |= {"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="}
    query = {"wait": "0"} | ({} if token is None else {"token": token})
    async with shopper.client.get(shopper.url(transport), params=query, headers=headers) as answer:
        if answer.status not in (101, 200):
            await answer.read()
        return answer


OPEN = {"events": 200, "poll": 200, "socket": 101}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_live_token_opens_each_transport(shopper: Follower, transport: str) -> None:
    assert (await _knock(shopper, transport, shopper.token)).status == OPEN[transport]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_opens_without_a_live_token_of_this_payment(
    house: House, client: aiohttp.ClientSession, shopper: Follower, transport: str
) -> None:
    scoped = await house.call("POST", f"/payments/{shopper.payment_id}/scopedtoken", {"scope": "payments:validate"})
    other = await follower(house, client, (await house.pay())["id"])
    expected = {None: 401, "og_1_x": 401, await house.token(): 404, scoped.json()["token"]: 403, other.token: 404}
    found = {token: (await _knock(shopper, transport, token)).status for token in expected}
    assert found == expected


async def test_a_live_token_opens_nothing_on_the_wire(house: House, shopper: Follower) -> None:
    path = f"/payments/{shopper.payment_id}"
    calls = [("GET", path), ("POST", path), ("POST", f"{path}/scopedtoken"), ("POST", f"{path}/livetoken")]
    answers = [await house.call(method, path, token=shopper.token) for method, path in (*calls, ("GET", "/payments"))]
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_only_registered_origins_may_read(shopper: Follower, transport: str) -> None:
    assert (await _knock(shopper, transport, shopper.token, Origin=SHOP)).status == OPEN[transport]
    for stranger in ("https://shop.test.evil.example", "http://shop.test", "https://shop.test:8443", "null"):
        answer = await _knock(shopper, transport, shopper.token, Origin=stranger)
        assert (answer.status, answer.headers.get("Access-Control-Allow-Origin")) == (403, None)


@pytest.mark.parametrize("transport", ["events", "poll"])
async def test_a_registered_origin_is_named_exactly_and_no_cookie_is_asked_for(
    shopper: Follower, transport: str
) -> None:
    headers = (await _knock(shopper, transport, shopper.token, Origin=SHOP)).headers
    assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (SHOP, "Origin")
    assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_our_own_pages_may_read(house: House, shopper: Follower, transport: str) -> None:
    assert (await _knock(shopper, transport, shopper.token, Origin=house.base_url)).status == OPEN[transport]


async def test_a_laptop_may_be_called_localhost(house: House, shopper: Follower) -> None:
    port = urlsplit(house.base_url).port
    shopper.base_url = f"http://localhost:{port}"
    assert (await _knock(shopper, "poll", shopper.token, Origin=shopper.base_url)).status == 200
    assert (await _knock(shopper, "poll", shopper.token, Origin="http://localhost:1")).status == 403


async def test_a_page_whose_token_ended_may_read_that_it_did(shopper: Follower) -> None:
    answer = await _knock(shopper, "poll", "og_1_x", Origin=SHOP)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, SHOP)


async def test_a_preflight_allows_the_one_method_there_is(shopper: Follower) -> None:
    for transport, method in {"events": "GET", "poll": "GET", "token": "POST"}.items():
        async with shopper.client.options(shopper.url(transport), headers={"Origin": SHOP}) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, method)


async def test_another_method_is_refused(shopper: Follower) -> None:
    for transport, allowed in {"events": "GET, OPTIONS", "poll": "GET, OPTIONS", "token": "POST, OPTIONS"}.items():
        for method in ("PUT", "DELETE", "HEAD"):
            async with shopper.client.request(method, shopper.url(transport)) as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, allowed)


async def test_widget_origins_of_the_application_may_read_too(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with open_house(tmp_path) as house:
        body = {"config": {"widget_origins": "https://blog.test https://m.shop.test/any/path"}}
        path = f"{house.api}/clients/{house.credentials.client_id}"
        bearer = {"authorization": f"Bearer {house.credentials.config_token}"}
        assert (await house.http.put(path, json=body, headers=bearer)).status_code == 200
        shopper = await follower(house, client, (await house.pay())["id"])
        for origin in ("https://blog.test", "https://m.shop.test", SHOP):
            assert (await _knock(shopper, "poll", shopper.token, Origin=origin)).status == 200


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://shop.test/callback?x=1", "https://shop.test"),
        ("https://Shop.Test:443/", "https://shop.test"),
        ("http://shop.test:8080", "http://shop.test:8080"),
        ("http://[::1]:80/x", "http://[::1]"),
        ("shop.app://return", None),
        ("https:///nowhere", None),
        ("https://shop.test:port/", None),
        ("", None),
    ],
)
async def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


async def test_the_shop_gets_a_token_for_its_page_over_the_wire(house: House, client: aiohttp.ClientSession) -> None:
    payment = await house.pay()
    granted = await house.call("POST", f"/payments/{payment['id']}/livetoken")
    body = granted.json()
    assert (body["expires_in"], body["url"]) == (900, f"{house.base_url}/live/{payment['id']}")
    asked = {"authorization": f"Bearer {body['token']}"}
    async with client.get(f"{body['url']}/poll", headers=asked) as answer:
        assert (await answer.json())["events"][0]["state"] == "created"


async def test_a_token_never_outlives_the_payment_token_that_asked_for_it(house: House) -> None:
    payment = await house.pay()
    path = f"/payments/{payment['id']}"
    scoped = (await house.call("POST", f"{path}/scopedtoken", {"scope": "payments:validate"})).json()["token"]
    assert (await house.call("POST", f"{path}/livetoken", token=scoped)).json()["expires_in"] == 900
    async with contextlib.AsyncExitStack() as stack:
        holder = await house.core.store.tokens.load(scoped)
        assert holder is not None
        stack.callback(house.core.clock.move, house.merchant_id, house.core.clock.offset(house.merchant_id))
        left = timedelta(minutes=2)
        assert holder.expires_at is not None
        house.core.clock.move(house.merchant_id, holder.expires_at - left - house.core.clock.real())
        life = (await house.call("POST", f"{path}/livetoken", token=scoped)).json()["expires_in"]
    assert 0 < life <= left.total_seconds()


async def test_whoever_holds_a_token_may_renew_it_while_something_can_happen(house: House, shopper: Follower) -> None:
    async with shopper.client.post(shopper.url("token"), params={"token": shopper.token}) as answer:
        renewed = await answer.json()
    assert renewed["expires_in"] == 900
    assert renewed["token"] != shopper.token
    shopper.token = renewed["token"]
    validated = await house.validate(shopper.payment_id, fields={"use_case_pay": "redirect"})
    await house.http.get(validated["validate_uri"])
    await house.settle(shopper.payment_id, "done")
    async with shopper.client.post(shopper.url("token"), params={"token": shopper.token}) as answer:
        assert (answer.status, await answer.json()) == (409, {"code": "state_forbids"})
    assert (await shopper.poll())[-1] == {"type": "end", "reason": "final"}


async def test_the_end_of_the_token_ends_what_it_opened(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with open_house(tmp_path) as house:
        shopper = await follower(house, client, (await house.pay())["id"])
        async with shopper.stream() as stream, shopper.socket() as opened:
            polling = asyncio.create_task(shopper.poll(after=0))
            await stream.next("step")
            await opened.receive_json()
            await house.move(timedelta(minutes=16))
            assert [event async for event in stream] == [{"type": "end", "reason": "token_ended"}]
            assert [message.json() async for message in opened][-1] == {"type": "end", "reason": "token_ended"}
            assert opened.close_code == 4401
        for event in await asyncio.gather(polling, return_exceptions=True):
            assert event == [{"type": "end", "reason": "token_ended"}] or isinstance(event, AssertionError)
        assert (await _knock(shopper, "events", shopper.token)).status == 401


async def test_a_token_dies_with_its_application(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with open_house(tmp_path) as house:
        shopper = await follower(house, client, (await house.pay())["id"])
        async with shopper.stream() as stream:
            await stream.next("step")
            path, bearer = f"{house.api}/clients/{house.credentials.client_id}", house.credentials.config_token
            await house.http.delete(path, headers={"authorization": f"Bearer {bearer}"})
            house.core.bell.ring(house.merchant_id, shopper.payment_id)
            assert [event async for event in stream] == [{"type": "end", "reason": "token_ended"}]


# How many, and for how long


async def test_a_token_has_few_seats_and_each_comes_back(house: House, shopper: Follower) -> None:
    async with live_desk(house.core, Limits(per_token=2)) as desk:
        shopper.base_url = desk.base_url
        async with shopper.stream() as one, shopper.socket():
            await one.next()
            full = await _knock(shopper, "events", shopper.token, Origin=SHOP)
            assert (full.status, full.headers["Retry-After"]) == (429, "5")
            assert full.headers["Access-Control-Allow-Origin"] == SHOP
            assert (await _knock(shopper, "socket", shopper.token)).status == 429
        await until(lambda: desk.seats.total == 0)
        assert (await _knock(shopper, "events", shopper.token)).status == 200


async def test_an_address_has_few_seats(house: House, client: aiohttp.ClientSession) -> None:
    async with live_desk(house.core, Limits(per_ip=2)) as desk, contextlib.AsyncExitStack() as stack:
        payment_id = (await house.pay())["id"]
        people = [await follower(house, client, payment_id, desk.base_url) for _ in range(3)]
        for one in people[:2]:
            await (await stack.enter_async_context(one.stream())).next()
        assert (await _knock(people[2], "poll", people[2].token)).status == 429


async def test_a_full_house_says_so_and_when_to_come_again(house: House, shopper: Follower) -> None:
    async with live_desk(house.core, Limits(everywhere=1)) as desk:
        shopper.base_url = desk.base_url
        async with shopper.stream() as stream:
            await stream.next()
            full = await _knock(shopper, "poll", shopper.token)
            assert (full.status, full.headers["Retry-After"]) == (503, "5")


async def test_a_stream_ends_with_its_life_and_goes_on_at_the_next(house: House, shopper: Follower) -> None:
    async with live_desk(house.core, Limits(life_s=0.05)) as desk:
        shopper.base_url = desk.base_url
        async with shopper.stream() as stream:
            events = [event async for event in stream]
        assert events[-1] == {"type": "end", "reason": "reconnect"}
        async with shopper.stream(stream.last) as again:
            assert [event["type"] async for event in again] == ["step", "end"]


async def test_an_idle_stream_beats(house: House, shopper: Follower) -> None:
    async with live_desk(house.core, Limits(beat_s=0.01, life_s=0.5)) as desk:
        shopper.base_url = desk.base_url
        async with shopper.stream() as stream:
            assert [event["type"] async for event in stream] == ["state", "step", "end"]
        assert stream.beats > 0
        async with shopper.socket() as opened:
            kinds = [message.json()["type"] async for message in opened]
        assert (kinds[:2], set(kinds[2:-1]), kinds[-1]) == (["state", "step"], {"ping"}, "end")


async def test_a_move_without_a_ring_is_found_by_the_next_beat(house: House, shopper: Follower) -> None:
    async with live_desk(house.core, Limits(beat_s=0.05)) as desk:
        shopper.base_url = desk.base_url
        async with shopper.stream() as stream:
            await stream.next("step")
            silent, house.core.bell._listeners = house.core.bell._listeners, {}
            await house.validate(shopper.payment_id, fields={"use_case_pay": "redirect"})
            house.core.bell._listeners = silent
            assert (await stream.next("state"))["state"] == "validating"


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system cannot drop a stuck connection")
async def test_a_reader_who_stops_reading_is_dropped_and_delays_nobody(house: House, shopper: Follower) -> None:
    limits = Limits(beat_s=0, send_s=0.2, life_s=60)
    async with live_desk(house.core, limits, patience_ms=1000) as desk, live_desk(house.core, Limits()) as calm:
        before = _open_files()
        stuck = await _stop_reading(desk.base_url, shopper)
        try:
            await until(lambda: desk.seats.total == 1)
            shopper.base_url = calm.base_url
            async with shopper.stream() as stream:
                await stream.next("step")
                await house.validate(shopper.payment_id, fields={"use_case_pay": "redirect"})
                assert (await stream.next("state"))["state"] == "validating"
            await until(lambda: desk.seats.total == 0)
            # The test's own end of the stuck connection is the one file that stays open.
            await until(lambda: _open_files() <= before + 1)
        finally:
            stuck.close()


async def _stop_reading(base_url: str, shopper: Follower) -> socket.socket:
    """Ask for a stream with a tiny window and never read a byte of it."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    stuck.setblocking(False)
    loop, where = asyncio.get_running_loop(), urlsplit(base_url)
    await loop.sock_connect(stuck, (where.hostname, where.port))
    path = f"/live/{shopper.payment_id}/events?token={shopper.token}"
    await loop.sock_sendall(stuck, f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
    return stuck


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
