"""The shop beside the payment service, both on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from demo_shop import Settings, build
from demo_shop.book import Book, Order
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.kit.banq_wire import BanqWire, banq_double
from tests.shop.loopback import serving, wait_until
from tests.shop.wire import PowensWire, powens_double


@pytest.fixture
def powens_wire() -> Iterator[PowensWire]:
    with powens_double() as wire:
        yield wire


@dataclass
class Shopper:
    """A visitor of the shop, and a look into its book."""

    shop_url: str
    book: Book
    wire: PowensWire
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(headers={"accept-language": "en"}))

    def get(self, path: str) -> httpx2.Response:
        """Open a page of the shop."""
        return self.http.get(self.shop_url + path)

    def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form of the shop."""
        return self.http.post(self.shop_url + path, data=fields)

    def buy(self, product: str = "losange", speed: str = "instant") -> tuple[Order, str]:
        """Put one thing in the cart and check out; return the order and where the payer is sent."""
        self.post("/cart/put", product=product, quantity="1", add="1")
        sent_to = self.post("/checkout", speed=speed).headers["location"]
        return self.book.orders()[0], sent_to

    def order(self, order: Order) -> Order:
        """Read an order again."""
        found = self.book.order(order.id)
        if found is None:
            raise LookupError(order.id)
        return found

    def kinds(self, order: Order) -> list[str]:
        """Name what happened to an order."""
        return [event.kind for event in self.book.events(order.id)]

    def payment_id(self, order: Order) -> int:
        """Name the payment of an order."""
        tried = self.order(order).last_try
        if tried is None or not isinstance(tried.payment_id, int):
            raise LookupError(order.id)
        return tried.payment_id

    def enrolled(self) -> None:
        """Wait until the shop hears webhooks."""
        wait_until(lambda: bool(self.wire.webhooks))


@pytest.fixture
def banq_wire() -> Iterator[BanqWire]:
    with banq_double() as wire:
        yield wire


@pytest.fixture
def banq_shopper(powens_wire: PowensWire, banq_wire: BanqWire, tmp_path: Path) -> Iterator[Shopper]:
    """A visitor of a shop that has the widget too."""
    widget_url = f"{banq_wire.base_url}/widget/ecommerce.js"
    settings = Settings("", powens_wire.credentials, banq_wire.credentials, widget_url)
    with visiting(settings, powens_wire, tmp_path) as visitor:
        wait_until(lambda: banq_wire.config is not None)
        yield visitor


@pytest.fixture
def shopper(powens_wire: PowensWire, tmp_path: Path) -> Iterator[Shopper]:
    with visiting(Settings("", powens_wire.credentials), powens_wire, tmp_path) as visitor:
        yield visitor


@contextmanager
def visiting(settings: Settings, wire: PowensWire, data: Path) -> Iterator[Shopper]:
    """Open the shop and wait until it hears webhooks."""

    def make(base_url: str) -> Starlette:
        return Starlette(routes=[Mount("/shop", build(data, f"{base_url}/shop", settings))])

    with serving(make) as base_url:
        book = Book(data / "shop.db", lambda: datetime.now(UTC))
        visitor = Shopper(f"{base_url}/shop", book, wire)
        with visitor.http:
            visitor.get("/")
            visitor.enrolled()
            yield visitor
