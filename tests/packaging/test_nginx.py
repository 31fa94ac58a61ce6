"""The file for nginx, run: it lets through what should pass, and refuses as our own gate does, only earlier."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opengiro.dialects import Dialect
from opengiro.domain.refusals import Refusal, Refused
from opengiro.web.checkout.troubles import turned_away
from opengiro.web.limits.gate import Gate
from opengiro.web.limits.pressure import Pressure
from opengiro.web.limits.quotas import Quotas
from opengiro.web.limits.urgency import Urgency, new_paths
from opengiro.wiring import DIALECTS
from tests.nginx import MISSING, SHIPPED, Certificate, Proxy, binary, proxying
from tests.ports import free_port
from tests.server import REDIRECT_URI, House, order, serving, until
from tests.web.follower import follower
from tests.web.payer import link

pytestmark = pytest.mark.engine("sqlite")

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OWN = {"server", "date", "connection"}
"""Headers that whoever holds the connection writes."""
WORDED = ["/2.0/payments", "/api/v1/payments/get-paid-link", "/oauth/token", "/webhooks/auth"]
POST = b"POST /2.0/payments HTTP/1.1\r\nhost: pay.example.com\r\ncontent-length: 2\r\n\r\n"


class Kitchen:
    """An app that says how it was called; orders wait until it is ready, and a status that is asked for is answered."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.waiting = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        await request.body()
        if request.method == "POST" and scope["path"] in {"/2.0/payments", "/checkout/slow"}:
            self.waiting += 1
            await self.ready.wait()
        status = int(request.query_params.get("status", "200"))
        told = {"client": request.client.host if request.client else "", "headers": dict(request.headers)}
        answer: Response = JSONResponse(told, status, {"retry-after": "42"} if status > 200 else None)
        await answer(scope, receive, send)

    async def waits(self, number: int = 1) -> None:
        """Return when so many wait."""

        async def there() -> bool:
            return self.waiting == number

        await until(there)


@dataclass(frozen=True, slots=True)
class Street:
    """A kitchen behind a gate with room for two new orders, behind nginx with room for one."""

    kitchen: Kitchen
    pressure: Pressure
    direct: httpx2.AsyncClient
    proxied: httpx2.AsyncClient
    proxy: Proxy
    tls: ssl.SSLContext

    @contextlib.asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Have two orders in work, one of them through nginx, for as long as the block lasts; then they are done."""
        orders = [asyncio.create_task(one.post("/2.0/payments", json={})) for one in (self.direct, self.proxied)]
        await self.kitchen.waits(2)
        await until(self.is_pressed)
        try:
            yield
        finally:
            self.kitchen.ready.set()
            assert {answer.status_code for answer in await asyncio.gather(*orders)} == {200}

    async def is_pressed(self) -> bool:
        """Whether the server has had no room for so long that it refuses."""
        return self.pressure.refuses(Urgency.NEW)

    async def line(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to nginx."""
        return await asyncio.open_connection("127.0.0.1", self.proxy.port, ssl=self.tls)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of 127.0.0.1, signed by itself; without nginx a developer's run skips and a build fails."""
    if binary() is None and os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    if binary() is None:
        pytest.skip(MISSING)
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    signed = builder.add_extension(here, critical=True).sign(key, hashes.SHA256())
    folder = tmp_path_factory.mktemp("certificate")
    made = Certificate(folder / "chain.pem", folder / "key.pem")
    made.chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture(scope="module")
def tls(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate.chain))


@pytest.fixture
async def street(tmp_path: Path, certificate: Certificate, tls: ssl.SSLContext) -> AsyncIterator[Street]:
    kitchen, pressure = Kitchen(), Pressure(2)
    gate = Gate(kitchen, DIALECTS, pressure, Quotas(0, 0), turned_away, https=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with proxying(tmp_path, port, certificate, room=1) as proxy:
            async with (
                serving(gate, listener),
                httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as direct,
                httpx2.AsyncClient(base_url=proxy.url, verify=tls, trust_env=False) as proxied,
            ):
                yield Street(kitchen, pressure, direct, proxied, proxy, tls)


@pytest.fixture
async def deserted(tmp_path: Path, certificate: Certificate, tls: ssl.SSLContext) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of nginx, with no server behind it."""
    with proxying(tmp_path, free_port(), certificate) as proxy:
        async with httpx2.AsyncClient(base_url=proxy.url, verify=tls, trust_env=False) as client:
            yield client


@pytest.fixture
async def proxy(house: House, tmp_path: Path, certificate: Certificate) -> AsyncIterator[Proxy]:
    """Nginx before the whole server."""
    with proxying(tmp_path / "nginx", int(house.base_url.rpartition(":")[2]), certificate) as opened:
        yield opened


def test_the_file_knows_all_paths_that_begin_something_and_no_others() -> None:
    listed = re.findall(r"^ +(/\S+) +opengiro_new;$", SHIPPED.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(new_paths(DIALECTS))


def alike(answer: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    """What two refusals have in common, whoever refused and whenever."""
    headers = {name: value for name, value in answer.headers.items() if name not in OWN}
    assert headers.pop("retry-after") in {"1", "2", "3"}
    assert int(headers.pop("content-length")) == len(answer.content)
    number = headers.pop("x-request-id").encode()
    assert number.isdigit()
    return answer.status_code, headers, answer.content.replace(number, b"?")


@pytest.mark.parametrize("path", WORDED)
async def test_a_refusal_by_the_proxy_is_like_one_by_the_server(street: Street, path: str) -> None:
    async with street.full():
        ours = await street.direct.post(path, json={})
        assert ours.status_code == 503
        assert alike(await street.proxied.post(path, json={})) == alike(ours)
    assert street.kitchen.waiting == 2


async def test_who_was_sent_away_together_does_not_come_back_together(street: Street) -> None:
    async with street.full():
        told = {(await street.proxied.get("/2.0/payments")).headers["retry-after"] for _ in range(60)}
    assert told == {"1", "2", "3"}


async def test_a_payer_under_way_gets_through_when_no_order_does(street: Street) -> None:
    async with street.full():
        assert (await street.proxied.post("/2.0/payments", json={})).status_code == 503
        for path in ("/checkout/a1", "/2.0/payments/7", "/healthz"):
            assert (await street.proxied.get(path)).status_code == 200
    assert (await street.proxied.get("/2.0/payments")).status_code == 200


async def test_a_browser_that_is_refused_sees_a_page_that_looks_again(street: Street) -> None:
    async with street.full():
        answer = await street.proxied.get("/2.0/payments", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert f'http-equiv="refresh" content="{answer.headers["retry-after"]}"' in answer.text


async def test_a_connection_goes_on_after_refusals(street: Street) -> None:
    async with street.full():
        reader, writer = await street.line()
        for _ in range(3):
            writer.write(POST + b"{}")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503")
            await reader.readexactly(int(re.findall(rb"Content-Length: (\d+)", head)[0]))
        writer.close()


async def test_whoever_sends_slowly_takes_nobodys_room(street: Street) -> None:
    lines = [await street.line() for _ in range(5)]
    for _, writer in lines:
        writer.write(POST + b"{")
        await writer.drain()
    assert (await street.proxied.get("/2.0/payments")).status_code == 200
    for _, writer in lines:
        writer.close()


@pytest.mark.parametrize("status", [429, 503, 502, 504])
@pytest.mark.parametrize("path", ["/2.0/payments", "/checkout/a1"])
async def test_what_the_server_says_passes_as_it_is(street: Street, path: str, status: int) -> None:
    answer = await street.proxied.get(path, params={"status": status})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "42")
    assert "client" in answer.json()


async def test_a_visitor_is_known_by_the_address_they_come_from_and_not_by_what_they_say(street: Street) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(verify=street.tls, local_address="127.0.0.2"),
        headers={"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "http"},
    ) as visitor:
        told = (await visitor.get(f"{street.proxy.url}/checkout/a1")).json()
    assert told["client"] == told["headers"]["x-forwarded-for"] == "127.0.0.2"
    assert told["headers"]["x-forwarded-proto"] == "https"


async def test_a_visitor_has_so_many_requests_at_a_time_and_a_merchants_server_more(street: Street) -> None:
    async with httpx2.AsyncClient(
        base_url=street.proxy.url, verify=street.tls, trust_env=False, limits=httpx2.Limits(max_connections=100)
    ) as visitor:
        waiting = [asyncio.create_task(visitor.post("/checkout/slow")) for _ in range(50)]
        await street.kitchen.waits(50)
        assert (await visitor.get("/checkout/a1")).status_code == 503
        assert (await visitor.get("/2.0/payments/7")).status_code == 200
        street.kitchen.ready.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_each_wire_has_its_words_when_no_server_answers(deserted: httpx2.AsyncClient, dialect: Dialect) -> None:
    for path in (dialect.routes[0].path, "/v1/payments/7"):
        answer = await deserted.get(dialect.prefix + path)
        number = int(answer.headers["x-request-id"])
        expected = dialect.refuse(Refused(Refusal.UNAVAILABLE), number)
        assert (answer.status_code, answer.content) == (503, expected.body)
        assert answer.headers["retry-after"] in {"1", "2", "3"}
        assert answer.headers["content-type"] == "application/json"


async def test_a_form_that_reached_no_server_leads_back_to_its_checkout(deserted: httpx2.AsyncClient) -> None:
    page = await deserted.post("/checkout/1-aB_9/choose", headers=BROWSER)
    assert page.status_code == 503
    assert f'content="{page.headers["retry-after"]};url=/checkout/1-aB_9"' in page.text
    looked = await deserted.get("/checkout/1-aB_9", headers=BROWSER)
    assert f'content="{looked.headers["retry-after"]}"' in looked.text


async def test_a_payment_is_made_and_paid_through_the_proxy(house: House, proxy: Proxy, tls: ssl.SSLContext) -> None:
    async with httpx2.AsyncClient(base_url=proxy.url, verify=tls, trust_env=False) as client:
        shop = {"authorization": f"Bearer {await house.token()}"}
        payment = (await client.post("/2.0/payments", json=order(), headers=shop)).json()
        entered = await client.get((await link(house, payment["id"])).removeprefix(house.base_url))
        page = await client.get(entered.headers["location"].removeprefix(house.base_url), headers=BROWSER)
        assert (page.status_code, "Choose your bank" in page.text) == (200, True)
        chosen = {"validated": True, "connector_uuid": house.test_bank, "webview_url": REDIRECT_URI}
        assert (await client.post(f"/2.0/payments/{payment['id']}", json=chosen, headers=shop)).status_code == 200
    assert (await house.settle(payment["id"], "done"))["id"] == payment["id"]


async def test_live_status_passes_at_once(house: House, proxy: Proxy, tls: ssl.SSLContext) -> None:
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
        shopper = await follower(house, client, (await house.pay())["id"], proxy.url)
        async with shopper.stream() as stream, shopper.socket() as opened:
            assert (await stream.next("state"))["state"] == (await opened.receive_json())["state"] == "created"
            await house.validate(shopper.payment_id, fields={"use_case_pay": "redirect"})
            assert (await stream.next("state"))["state"] == "validating"
