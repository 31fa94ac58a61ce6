"""The same endpoints in every framework, each served by a real server: what is asked and answered is the same."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import httpx2
import pytest
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from django.urls import include, path
from fastapi import FastAPI
from opengiro_kit import AnyPayment, AsyncBanqClient, AsyncPowensClient, BanqClient, Order, PowensClient, SqliteLedger
from opengiro_kit.contrib import django as for_django
from opengiro_kit.contrib import flask as for_flask
from opengiro_kit.contrib import starlette as for_starlette
from opengiro_kit.counter import Counter
from opengiro_kit.powens import NewPayment
from opengiro_kit.signatures import BODY_MAX_BYTES
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.kit.banq_wire import BanqWire
from tests.kit.django_project import configure
from tests.kit.test_powens_client import new_payment
from tests.shop.loopback import serving
from tests.shop.wire import PowensWire

KITE = Order("order-77", None, Decimal("50.90"), "EUR", "A kite")
COOKIE = {"cookie": "visitor=ada"}


class Book:
    """A shop whose book is one file; everything of it may be called from any thread."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.ledger = SqliteLedger(file)
        self.payments: dict[str, int | str] = {}
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE parcels (order_id TEXT, payment TEXT)")

    def find(self, order_id: str) -> Order | None:
        return replace(KITE, payment_id=self.payments.get(order_id)) if order_id == KITE.id else None

    def note(self, order: Order, payment: AnyPayment) -> None:
        self.payments[order.id] = payment.reference

    def send(self, transaction: sqlite3.Connection, order: Order, paid: AnyPayment) -> None:
        transaction.execute("INSERT INTO parcels VALUES (?, ?)", (order.id, str(paid.reference)))

    def parcels(self) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[0] for row in connection.execute("SELECT payment FROM parcels")]


@dataclass
class Storefront:
    """A shop in some framework, seen from outside."""

    base_url: str
    book: Book
    banq: BanqWire
    powens: PowensWire
    secrets: list[str]

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(self.base_url + path, headers=COOKIE | headers)

    def post(self, path: str, content: Any, **headers: str) -> httpx2.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.post(self.base_url + path, content=content, headers=COOKIE | given)

    def ask(self, body: bytes = b'{"orderId":"order-77","comment":"x","funds":50.9}') -> httpx2.Response:
        return self.post("/pay/generate-payment-link", body, content_type="application/json")


Shop = Callable[[Book, BanqWire, PowensWire, list[str]], AbstractContextManager[str]]


def counter(book: Book, banq: Any, powens: Any, secrets: list[str]) -> Counter[sqlite3.Connection]:
    return Counter(
        find_order=book.find,
        note_payment=book.note,
        ledger=book.ledger,
        on_paid=book.send,
        banq=banq,
        powens=powens,
        powens_secrets=lambda: tuple(secrets),
        order_page=lambda order_id: f"/thanks/{order_id}",
    )


def blocking(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Counter[sqlite3.Connection]:
    return counter(book, BanqClient(banq.credentials), PowensClient(powens.credentials), secrets)


def waiting(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Counter[sqlite3.Connection]:
    return counter(book, AsyncBanqClient(banq.credentials), AsyncPowensClient(powens.credentials), secrets)


@contextmanager
def in_starlette(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Iterator[str]:
    routes = for_starlette.payments(waiting(book, banq, powens, secrets), lambda request, _: _is_ada(request.cookies))
    with serving(lambda _: Starlette(routes=[Mount("/pay", routes=routes)])) as base_url:
        yield base_url


@contextmanager
def in_fastapi(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Iterator[str]:
    app = FastAPI()
    routes = for_starlette.payments(waiting(book, banq, powens, secrets), lambda request, _: _is_ada(request.cookies))
    app.mount("/pay", Starlette(routes=routes))
    with serving(lambda _: app) as base_url:
        yield base_url


@contextmanager
def in_django(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Iterator[str]:
    configure()
    patterns = for_django.payments(blocking(book, banq, powens, secrets), lambda request, _: _is_ada(request.COOKIES))
    with (
        override_settings(ROOT_URLCONF=(path("pay/", include(patterns)),)),
        _wsgi(get_wsgi_application()) as base_url,
    ):
        yield base_url


@contextmanager
def in_flask(book: Book, banq: BanqWire, powens: PowensWire, secrets: list[str]) -> Iterator[str]:
    app = flask.Flask(__name__)
    routes = for_flask.payments(blocking(book, banq, powens, secrets), lambda request, _: _is_ada(request.cookies))
    app.register_blueprint(routes, url_prefix="/pay")
    with _wsgi(app) as base_url:
        yield base_url


@pytest.fixture(params=[in_starlette, in_fastapi, in_django, in_flask])
def front(
    request: pytest.FixtureRequest, tmp_path: Path, banq_wire: BanqWire, powens_wire: PowensWire
) -> Iterator[Storefront]:
    open_shop: Shop = request.param
    book, secrets = Book(tmp_path / "shop.db"), ["a-secret"]
    with open_shop(book, banq_wire, powens_wire, secrets) as base_url:
        yield Storefront(base_url, book, banq_wire, powens_wire, secrets)


def test_the_guides_page_gets_its_link(front: Storefront) -> None:
    answer = front.ask()
    (payment,) = front.banq.payments.values()
    assert (answer.status_code, answer.json()) == (200, {"data": {"url": payment["url"]}})
    assert front.ask().json() == answer.json()
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"


def test_another_amount_a_form_or_an_unknown_order_gets_none(front: Storefront) -> None:
    assert front.ask(b'{"orderId":"order-77","funds":2}').status_code == 409
    assert front.ask(b'{"orderId":"another"}').status_code == 404
    assert front.post("/pay/generate-payment-link", "orderId=order-77", content_type="text/plain").status_code == 415
    assert front.get("/pay/generate-payment-link").status_code == 405
    assert not front.banq.payments


def test_a_body_without_end_is_not_read_to_it(front: Storefront) -> None:
    for path_ in ("/pay/generate-payment-link", "/pay/webhooks/banq", "/pay/webhooks/powens"):
        answer = front.post(path_, b" " * (BODY_MAX_BYTES + 1), content_type="application/json")
        assert answer.status_code == 413


def test_who_may_not_see_an_order_finds_none(front: Storefront) -> None:
    stranger = {"cookie": "visitor=bob"}
    assert front.ask().status_code == 200
    assert front.get("/pay/orders/order-77/standing", **stranger).status_code == 404
    assert front.get("/pay/orders/order-77/live", **stranger).status_code == 404
    assert front.get("/pay/return?state=order-77", **stranger).status_code == 404


def test_a_webhook_of_either_content_type_pays_the_order_once(front: Storefront) -> None:
    front.ask()
    (guid,) = front.banq.guids
    body = b'{"action":"completed","resourceType":"Payment","resourceId":"%s"}' % guid.encode()
    assert front.post("/pay/webhooks/banq", body, content_type="application/json").status_code == 204
    assert front.book.parcels() == []
    front.banq.set_status(guid, "completed")
    assert front.post("/pay/webhooks/banq", body, content_type="application/octet-stream").status_code == 204
    assert front.post("/pay/webhooks/banq", body, content_type="application/x-www-form-urlencoded").status_code == 204
    assert front.book.parcels() == [guid]


def test_a_webhook_that_is_no_event_is_refused(front: Storefront) -> None:
    assert front.post("/pay/webhooks/banq", b"hello").status_code == 400
    assert front.post("/pay/webhooks/powens", b'{"id":1,"state":"done"}').status_code == 400


def test_a_signed_webhook_of_the_other_wire_pays_the_order(front: Storefront) -> None:
    payment = _powens_payment(front, client_state="order-77")
    with PowensClient(front.powens.credentials) as client:
        secret = client.create_signing_secret("shop")
        client.create_webhook(f"{front.base_url}/pay/webhooks/powens", secret.id)
    front.powens.set_state(payment, "done")
    headers, body, url = front.powens.signed_delivery(payment)
    assert httpx2.post(url, content=body, headers=headers).status_code == 400
    front.secrets.append(secret.secret)
    assert [httpx2.post(url, content=body, headers=headers).status_code for _ in range(2)] == [204, 204]
    assert front.book.parcels() == [str(payment)]


def test_a_payer_who_comes_back_finds_the_order_paid(front: Storefront) -> None:
    payment = _powens_payment(front)
    front.book.payments[KITE.id] = payment
    front.powens.set_state(payment, "done")
    answer = front.get("/pay/return?state=order-77&id_payment=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/thanks/order-77")
    assert front.book.parcels() == [str(payment)]
    assert front.get("/pay/return?state=another").status_code == 404


def test_a_page_follows_its_payment_and_hears_how_the_order_stands(front: Storefront) -> None:
    assert front.get("/pay/orders/order-77/live").status_code == 404
    front.ask()
    live = front.get("/pay/orders/order-77/live").json()
    assert live == {"url": f"{front.banq.base_url}/live/9001", "token": "live", "expires_in": 900}
    assert front.get("/pay/orders/order-77/standing").json() == {"standing": "waiting"}
    front.banq.set_status(front.banq.guids[0], "completed")
    assert front.get("/pay/orders/order-77/standing").json() == {"standing": "paid"}
    assert front.book.parcels() == front.banq.guids


def _powens_payment(front: Storefront, **changes: Any) -> int:
    wanted = new_payment()
    with PowensClient(front.powens.credentials) as client:
        payment = NewPayment(wanted.client_redirect_uri, wanted.instructions, **changes)
        return client.create_payment(payment).id


def _is_ada(cookies: Any) -> bool:
    return bool(cookies.get("visitor") == "ada")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        pass


@contextmanager
def _wsgi(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, _Server, _Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
