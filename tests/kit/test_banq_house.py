"""The banq client and the counter against the real server: its own tokens, links, webhooks and live status."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
from opengiro_kit import AnyPayment, AsyncBanqClient, BanqError, Order, SqliteLedger, Standing
from opengiro_kit.banq import Credentials, NewPayment, PaymentStatus, Spelling
from opengiro_kit.contrib.starlette import payments
from opengiro_kit.counter import Counter
from opengiro_kit.environment import from_tables
from starlette.applications import Starlette

from opengiro.cli.banq import settle_banq
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from tests.server import House, until
from tests.shop.loopback import serving

ORDER = Order("order-77", None, Decimal("50.90"), "EUR", "A kite")


@pytest.fixture
async def credentials(house: House) -> Credentials:
    """What `dev.json` says on a laptop."""
    settings = from_tables(await settle_banq(house.core, house.merchant_id, {}))
    assert settings.banq is not None
    return settings.banq


@pytest.fixture
async def client(credentials: Credentials) -> AsyncIterator[AsyncBanqClient]:
    async with AsyncBanqClient(credentials) as client:
        yield client


def new_payment(code: str = "order-77") -> NewPayment:
    return NewPayment(funds=Decimal("50.90"), comment="A kite", external_order_code=code)


async def test_a_link_is_made_and_its_payment_read_back_to_the_cent(client: AsyncBanqClient) -> None:
    link = await client.get_paid_link(new_payment())
    assert link.payment is not None
    read = await client.payment(link.payment.guid)
    assert (read.url, read.amount, read.currency, read.order_code) == (link.url, Decimal("50.90"), "EUR", "order-77")
    assert read.status is PaymentStatus.CREATED
    assert read.destination is not None
    assert read.destination.banq is not None
    assert read.destination.banq.banq_guid == client.credentials.banq_guid
    assert read.id is not None
    assert await client.payment(read.id) == read
    assert (await client.payments(external_order_code="order-77")).payments == (read,)


@pytest.mark.parametrize("spelling", Spelling)
async def test_both_spellings_are_understood(credentials: Credentials, spelling: Spelling) -> None:
    async with AsyncBanqClient(replace(credentials, client_secret="", spelling=spelling)) as client:
        assert (await client.get_paid_link(new_payment())).url


async def test_the_merchants_user_finds_spaces_and_accounts(client: AsyncBanqClient) -> None:
    user = await client.me()
    assert [one.banq_guid for one in user.banq_accounts] == [client.credentials.banq_guid]
    assert [one.account_space_id for one in user.account_spaces] == [client.credentials.account_space_id]
    assert [one.banq_guid for one in (await client.banqs()).banqs] == [client.credentials.banq_guid]


async def test_the_same_key_answers_the_same_link(client: AsyncBanqClient) -> None:
    first = await client.get_paid_link(new_payment(), idempotency_key="order-77")
    assert await client.get_paid_link(new_payment(), idempotency_key="order-77") == first
    with pytest.raises(BanqError, match="idempotency_mismatch, HTTP 422"):
        await client.get_paid_link(new_payment("another"), idempotency_key="order-77")


async def test_a_payment_is_cancelled_and_its_transaction_says_so(client: AsyncBanqClient) -> None:
    link = await client.get_paid_link(new_payment())
    assert link.payment is not None
    assert (await client.cancel(link.payment.guid)).standing is Standing.FAILED
    (transaction,) = (await client.transactions(external_order_code="order-77")).transactions
    assert (transaction.payment_guid, transaction.status) == (link.payment.guid, PaymentStatus.CANCELLED)
    assert await client.transaction(transaction.guid) == transaction


async def test_a_webhook_configuration_tells_its_secret_once(client: AsyncBanqClient) -> None:
    created = await client.create_webhook_config("http://127.0.0.1:9/hooks")
    again = await client.create_webhook_config("http://127.0.0.1:9/hooks", retry_count=2)
    assert created.secret
    assert (again.secret, again.retry_count) == (None, 2)
    changed = await client.change_webhook_config(enabled=False)
    assert await client.webhook_config() == changed
    await client.delete_webhook_config()
    with pytest.raises(BanqError, match="HTTP 404"):
        await client.webhook_config()


async def test_live_status_tells_what_happens_to_the_payment(client: AsyncBanqClient) -> None:
    link = await client.get_paid_link(new_payment())
    assert link.payment is not None
    live = await client.live_token(link.payment.guid)
    async with httpx2.AsyncClient() as http:
        known = await http.get(f"{live.url}/poll", params={"token": live.token, "wait": "1"})
        await client.cancel(link.payment.guid)
        query = {"token": live.token, "after": str(known.json()["events"][-1]["sequence"])}
        told = (await http.get(f"{live.url}/poll", params=query)).json()["events"]
    assert (told[0]["state"], told[0]["final"]) == ("rejected", True)


@dataclass
class Shop:
    """A shop with one order in a real file, served for real."""

    file: Path

    def __post_init__(self) -> None:
        self.payments: dict[str, int | str] = {}
        self.ledger = SqliteLedger(self.file)
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("CREATE TABLE parcels (payment TEXT)")

    def find(self, order_id: str) -> Order | None:
        known = self.payments.get(order_id)
        return Order(order_id, known, ORDER.amount, ORDER.currency, ORDER.comment) if order_id == ORDER.id else None

    def note(self, order: Order, payment: AnyPayment) -> None:
        self.payments[order.id] = payment.reference

    def send(self, transaction: sqlite3.Connection, order: Order, paid: AnyPayment) -> None:
        transaction.execute("INSERT INTO parcels VALUES (?)", (str(paid.reference),))

    def parcels(self) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[0] for row in connection.execute("SELECT payment FROM parcels")]


async def test_a_link_paid_elsewhere_reaches_shop_and_page(
    house: House, credentials: Credentials, client: AsyncBanqClient, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop.db")
    secrets: list[str] = []
    counter = Counter(
        find_order=shop.find,
        note_payment=shop.note,
        ledger=shop.ledger,
        on_paid=shop.send,
        banq=AsyncBanqClient(credentials),
        banq_secrets=lambda: tuple(secrets),
    )
    async with httpx2.AsyncClient(timeout=30) as page:
        with serving(lambda _: Starlette(routes=payments(counter))) as base_url:
            config = await client.create_webhook_config(f"{base_url}/webhooks/banq")
            secrets.append(config.secret or "")
            body = {"orderId": "order-77", "comment": "Demo Widget Banq", "funds": 50.9}
            link = (await page.post(f"{base_url}/generate-payment-link", json=body)).json()["data"]["url"]
            assert link.startswith(house.base_url)
            live = (await page.get(f"{base_url}/orders/order-77/live")).json()
            await pay(house, int(live["url"].rsplit("/", 1)[1]))

            async def parcels() -> list[str]:
                return await asyncio.to_thread(shop.parcels)

            assert await until(parcels) == [str(shop.payments["order-77"])]
            told = (await page.get(f"{live['url']}/poll", params={"token": live["token"]})).json()["events"]
            assert told[-1] == {"type": "end", "reason": "final"}
            assert (await page.get(f"{base_url}/orders/order-77/standing")).json() == {"standing": "paid"}


async def pay(house: House, payment_id: int) -> None:
    """Be the payer on another device, whose bank pays at once."""
    choice = ChooseBank(
        merchant_id=house.merchant_id, payment_id=payment_id, bank_id=house.test_bank, back_to=house.base_url
    )
    await choose_bank(house.core, choice)
