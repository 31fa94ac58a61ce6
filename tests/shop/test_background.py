"""What the shop does when nobody is looking: enrolling for webhooks and sweeping up late news."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from demo_shop import Settings, build, read_settings
from demo_shop.book import Book, Order
from demo_shop.till import Till, enrol, sweep
from opengiro_kit import AsyncPowensClient

from tests.shop.loopback import serving, wait_until
from tests.shop.wire import PowensWire

RETURN = "http://shop.example/return"
WEBHOOK = "http://shop.example/webhook"


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Book:
    return Book(tmp_path / "shop.db", clock)


@pytest.fixture
async def client(powens_wire: PowensWire) -> AsyncIterator[AsyncPowensClient]:
    async with AsyncPowensClient(powens_wire.credentials) as client:
        yield client


async def enrolled(client: AsyncPowensClient, book: Book) -> tuple[str, ...]:
    return tuple(await enrol(client, book, WEBHOOK, RETURN, "shop"))


async def ordered(till: Till, book: Book) -> Order:
    order = book.open_order(book.put_in_cart("cart", "carte", 1))
    await till.start(order, "instant", "en")
    return order


def standing(book: Book, order: Order) -> str | None:
    found = book.order(order.id)
    return found.standing if found else None


async def test_a_restarted_shop_keeps_its_webhook_and_secret(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire
) -> None:
    first = await enrolled(client, book)
    assert await enrolled(client, Book(book.path, lambda: datetime.now(UTC))) == first
    assert len(powens_wire.webhooks) == len(powens_wire.providers) == 1


async def test_a_shop_that_lost_its_secret_replaces_its_webhook(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire, tmp_path: Path
) -> None:
    await enrolled(client, book)
    other = Book(tmp_path / "fresh.db", lambda: datetime.now(UTC))
    (secret,) = await enrolled(client, other)
    (webhook,) = powens_wire.webhooks.values()
    assert powens_wire.providers[webhook["id_auth"]] == secret


async def test_the_secret_before_the_newest_stays_valid(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire
) -> None:
    (first,) = await enrolled(client, book)
    powens_wire.webhooks.clear()
    second = await enrolled(client, book)
    assert len(second) == 2
    assert first in second


async def test_return_addresses_of_others_stay_allowed(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire
) -> None:
    powens_wire.redirect_uris = ["https://other.example/cb"]
    await enrolled(client, book)
    assert powens_wire.redirect_uris == ["https://other.example/cb", RETURN]


async def test_the_sweeper_finds_a_payment_that_nobody_told_of(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire, clock: Clock
) -> None:
    till = Till(client, book, RETURN, clock)
    order = await ordered(till, book)
    await sweep(till, book)
    for payment_id in powens_wire.payments:
        powens_wire.set_state(payment_id, "done")
    clock.now += timedelta(minutes=1)
    await sweep(till, book)
    assert standing(book, order) == "paid"
    clock.now += timedelta(days=9)
    assert await sweep(till, book) == 0


async def test_the_sweeper_asks_seldomer_the_longer_an_order_waits(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire, clock: Clock
) -> None:
    till = Till(client, book, RETURN, clock)
    await ordered(till, book)
    looks = []
    for _ in range(60):
        looks.append(await sweep(till, book))
        clock.now += timedelta(seconds=15)
    assert [index for index, count in enumerate(looks) if count] == [0, 1, 3, 7, 15, 31]


async def test_a_payment_the_service_forgot_does_not_stop_the_sweep(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire, clock: Clock
) -> None:
    till = Till(client, book, RETURN, clock)
    lost = await ordered(till, book)
    powens_wire.payments.clear()
    powens_wire.kept.clear()
    book.put_in_cart("cart", "carte", 2)
    second = await ordered(till, book)
    for payment_id in powens_wire.payments:
        powens_wire.set_state(payment_id, "done")
    await sweep(till, book)
    assert standing(book, second) == "paid"
    assert [event.kind for event in book.events(lost.id)][-1] == "unanswered"


async def test_a_shop_that_cannot_enrol_sweeps_all_the_same(
    client: AsyncPowensClient, book: Book, powens_wire: PowensWire, clock: Clock
) -> None:
    order = await ordered(Till(client, book, RETURN, clock), book)
    for payment_id in powens_wire.payments:
        powens_wire.set_state(payment_id, "done")
    stranger = replace(powens_wire.credentials, config_token="not the token")
    shop = build(book.path.parent, "http://shop.example", Settings("", stranger))

    with serving(lambda _: shop):
        await asyncio.to_thread(wait_until, lambda: standing(book, order) == "paid")
    assert powens_wire.webhooks == {}


def test_the_shop_reads_where_the_service_is_from_dev_json() -> None:
    powens = {"base_url": "http://x/2.0", "domain": "demo", "client_id": 47, "client_secret": "s"}
    settings = read_settings({"powens": {**powens, "config_token": "c", "redirect_uris": [RETURN]}})
    assert settings.powens is not None
    assert (settings.powens.client_id, settings.powens.config_token) == ("47", "c")
    assert settings.powens.redirect_uris == (RETURN,)
    assert (settings.banq, settings.widget_url) == (None, "")
