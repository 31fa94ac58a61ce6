"""The second way to pay: a link for the widget, news of the other wire, and one book for both."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from demo_shop.book import Book, Order
from demo_shop.till import Till, enrol_banq, sweep
from opengiro_kit import AsyncBanqClient, AsyncPowensClient
from opengiro_kit.signatures import standard_signature

from tests.kit.banq_wire import BanqWire
from tests.shop.conftest import Shopper
from tests.shop.wire import PowensWire

SECRET = "whsec_c2VjcmV0"


def placed(shopper: Shopper, product: str = "losange") -> dict[str, str]:
    """Fill the cart and make it an order, as the widget's page does."""
    shopper.post("/cart/put", product=product, quantity="1", add="1")
    answer: dict[str, str] = shopper.http.post(f"{shopper.shop_url}/cart/order", json={}).json()
    return answer


def linked(shopper: Shopper, question: dict[str, str], **changes: Any) -> httpx2.Response:
    """Ask for the link that the widget opens."""
    asked = {name: question[name] for name in ("orderId", "comment", "funds")} | changes
    return shopper.http.post(f"{shopper.shop_url}/generate-payment-link", json=asked)


def delivered(shopper: Shopper, guid: str, secret: str = SECRET, action: str = "completed") -> int:
    """Bring the shop the news that a payment changed."""
    body = msgspec.json.encode({"action": action, "resourceType": "Payment", "resourceId": guid})
    timestamp = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": timestamp,
        "webhook-signature": standard_signature(secret, "msg_1", timestamp, body),
    }
    return httpx2.post(f"{shopper.shop_url}/webhook/banq", content=body, headers=headers).status_code


def only(shopper: Shopper) -> Order:
    (order,) = shopper.book.orders()
    return order


def test_the_shop_registers_a_signed_webhook_of_its_own(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    assert banq_wire.config is not None
    assert banq_wire.config["url"] == f"{banq_shopper.shop_url}/webhook/banq"
    assert list(banq_shopper.book.secrets(banq_wire.credentials.base_url).values()) == [SECRET]


def test_the_cart_offers_both_ways_and_allows_the_widget_exactly(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    placed(banq_shopper)
    page = banq_shopper.get("/cart")
    assert f'<script src="{banq_wire.base_url}/widget/ecommerce.js" defer>' in page.text
    assert "Pay €24.50 by bank" in page.text
    policy = page.headers["content-security-policy"]
    wires = f"{banq_shopper.wire.base_url} {banq_wire.base_url}"
    assert f"script-src 'self' {wires};" in policy
    assert f"frame-src {wires};" in policy
    assert f"connect-src 'self' {wires};" in policy
    assert "unsafe" not in policy


def test_a_shop_without_a_widget_offers_one_way(shopper: Shopper) -> None:
    question = placed(shopper)
    assert "ecommerce" not in shopper.get("/cart").text
    assert linked(shopper, question).status_code == 409


def test_a_link_is_for_the_order_at_the_shops_price(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    answer = linked(banq_shopper, question, comment="a lie")
    (payment,) = banq_wire.payments.values()
    assert answer.json() == {"data": {"url": payment["url"]}}
    assert (str(payment["funds"]), payment["currency"], payment["comment"]) == ("24.50", "EUR", "Brise et Fils 1042")
    assert payment["externalOrderCode"] == only(banq_shopper).id


@pytest.mark.parametrize(("changes", "status"), [({"funds": 1}, 409), ({"orderId": "another"}, 404)])
def test_what_the_page_makes_up_gets_no_link(
    banq_shopper: Shopper, banq_wire: BanqWire, changes: dict[str, Any], status: int
) -> None:
    assert linked(banq_shopper, placed(banq_shopper), **changes).status_code == status
    assert not banq_wire.payments


def test_an_empty_cart_is_no_order(banq_shopper: Shopper) -> None:
    assert banq_shopper.http.post(f"{banq_shopper.shop_url}/cart/order", json={}).status_code == 409
    assert banq_shopper.book.orders() == ()


def test_a_form_of_another_site_places_nothing(banq_shopper: Shopper) -> None:
    banq_shopper.post("/cart/put", product="carte", quantity="1", add="1")
    foreign = {"sec-fetch-site": "cross-site"}
    answer = banq_shopper.http.post(f"{banq_shopper.shop_url}/cart/order", json={}, headers=foreign)
    assert answer.status_code == 403
    assert banq_shopper.book.orders() == ()


def test_clicks_at_once_make_one_payment(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    with ThreadPoolExecutor(4) as clicks:
        answers = set(clicks.map(lambda _: linked(banq_shopper, question).text, range(8)))
    assert len(answers) == len(banq_wire.payments) == 1


def test_signed_news_turns_the_order_paid_once(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    linked(banq_shopper, placed(banq_shopper))
    (guid,) = banq_wire.guids
    assert delivered(banq_shopper, guid) == 204
    assert only(banq_shopper).standing == "open"
    banq_wire.set_status(guid, "completed")
    assert [delivered(banq_shopper, guid) for _ in range(3)] == [204] * 3
    assert only(banq_shopper).standing == "paid"
    assert banq_shopper.kinds(only(banq_shopper)).count("paid") == 1
    assert "Nothing here yet" in banq_shopper.get("/cart").text


def test_unsigned_news_is_turned_away(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    linked(banq_shopper, placed(banq_shopper))
    (guid,) = banq_wire.guids
    banq_wire.set_status(guid, "completed")
    assert delivered(banq_shopper, guid, secret="whsec_b3RoZXI=") == 400
    assert only(banq_shopper).standing == "open"


def test_a_page_that_heard_news_asks_and_the_order_is_paid(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    linked(banq_shopper, placed(banq_shopper))
    banq_wire.set_status(banq_wire.guids[0], "completed")
    address = f"/orders/{only(banq_shopper).id}"
    assert banq_shopper.get(f"{address}/standing").json() == {"standing": "open"}
    assert banq_shopper.get(f"{address}/standing?look").json() == {"standing": "paid"}


@pytest.mark.parametrize(
    ("status", "standing", "says"),
    [
        ("processing", "moving", "Your payment is under way"),
        ("failed", "failed", "The payment did not go through"),
        ("cancelled", "cancelled", "You cancelled the payment"),
        ("expired", "failed", "The payment did not go through"),
    ],
)
def test_each_status_is_told_to_the_payer(
    banq_shopper: Shopper, banq_wire: BanqWire, status: str, standing: str, says: str
) -> None:
    linked(banq_shopper, placed(banq_shopper))
    banq_wire.set_status(banq_wire.guids[0], status)
    delivered(banq_shopper, banq_wire.guids[0])
    order = only(banq_shopper)
    assert order.standing == standing
    page = banq_shopper.get(f"/orders/{order.id}").text
    assert says in page
    assert "ecommerce.js" in page


def test_a_failed_payment_is_followed_by_another_link(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    linked(banq_shopper, question)
    banq_wire.set_status(banq_wire.guids[0], "failed")
    delivered(banq_shopper, banq_wire.guids[0])
    linked(banq_shopper, question)
    banq_wire.set_status(banq_wire.guids[1], "completed")
    delivered(banq_shopper, banq_wire.guids[1])
    assert only(banq_shopper).standing == "paid"


def test_each_way_lets_go_of_the_other(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    banq_shopper.post("/checkout", speed="instant")
    linked(banq_shopper, question)
    (powens,) = banq_shopper.wire.payments.values()
    assert (powens["state"], powens["error_code"]) == ("rejected", "CancelledByClient")
    banq_shopper.post("/checkout", speed="instant")
    assert banq_wire.payments[banq_wire.guids[0]]["status"] == "cancelled"
    assert len(banq_shopper.wire.payments) == 2
    assert only(banq_shopper).standing == "open"


def test_a_bank_that_does_not_let_go_keeps_the_other_way_shut(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    banq_shopper.post("/checkout", speed="instant")
    banq_shopper.wire.set_state(banq_shopper.payment_id(only(banq_shopper)), "validating")
    answer = linked(banq_shopper, question)
    assert (answer.status_code, answer.json()) == (409, {"error": "busy"})
    assert not banq_wire.payments


def test_a_page_gets_what_it_follows_the_payment_with(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    address = f"/orders/{question['orderId']}/live"
    assert banq_shopper.get(address).status_code == 404
    linked(banq_shopper, question)
    assert banq_shopper.get(address).json() == {"url": f"{banq_wire.base_url}/live/9001", "token": "live"}


def test_a_cancelled_order_is_cancelled_on_this_wire_too(banq_shopper: Shopper, banq_wire: BanqWire) -> None:
    question = placed(banq_shopper)
    linked(banq_shopper, question)
    banq_shopper.post(f"/orders/{question['orderId']}/cancel")
    assert banq_wire.payments[banq_wire.guids[0]]["status"] == "cancelled"
    assert only(banq_shopper).standing == "cancelled"


async def test_a_shop_that_lost_its_secret_replaces_its_webhook(banq_wire: BanqWire, tmp_path: Path) -> None:
    async with AsyncBanqClient(banq_wire.credentials) as client:
        first = await enrol_banq(client, Book(tmp_path / "1.db", lambda: datetime.now(UTC)), "http://shop.example/w")
        calls = len(banq_wire.calls)
        lost = await enrol_banq(client, Book(tmp_path / "2.db", lambda: datetime.now(UTC)), "http://shop.example/w")
        kept = await enrol_banq(client, Book(tmp_path / "2.db", lambda: datetime.now(UTC)), "http://shop.example/w")
    assert [tuple(one) for one in (first, lost, kept)] == [(SECRET,)] * 3
    methods = [method for method, path, _ in banq_wire.calls[calls:] if path.endswith("webhook-config")]
    assert methods == ["GET", "DELETE", "POST", "GET"]


async def test_the_sweeper_finds_a_link_that_was_paid_in_silence(
    banq_wire: BanqWire, powens_wire: PowensWire, tmp_path: Path
) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    book = Book(tmp_path / "shop.db", lambda: now[0])
    async with AsyncBanqClient(banq_wire.credentials) as banq, AsyncPowensClient(powens_wire.credentials) as powens:
        till = Till(powens, book, "http://shop.example/return", lambda: now[0], banq=banq)
        order = book.open_order(book.put_in_cart("cart", "carte", 1))
        await till.link(order)
        banq_wire.set_status(banq_wire.guids[0], "completed")
        now[0] += timedelta(minutes=1)
        assert await sweep(till, book) == 1
        now[0] += timedelta(days=9)
        assert await sweep(till, book) == 0
    (paid,) = book.orders()
    assert paid.standing == "paid"


def test_a_book_from_before_the_second_wire_keeps_its_tries(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    book = Book(path, lambda: datetime.now(UTC))
    order = book.open_order(book.put_in_cart("cart", "carte", 1))
    book.open_try(order.id, "instant")
    book.note_payment(order.id, 1, 7001, "pending", None)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "ALTER TABLE tries RENAME TO t; CREATE TABLE tries (order_id TEXT NOT NULL, ordinal INTEGER NOT NULL,"
            " execution TEXT NOT NULL, payment_id INTEGER UNIQUE, state TEXT NOT NULL, error_code TEXT,"
            " looks INTEGER NOT NULL DEFAULT 0, next_look_s INTEGER NOT NULL DEFAULT 0,"
            " PRIMARY KEY (order_id, ordinal)) STRICT; INSERT INTO tries SELECT * FROM t; DROP TABLE t"
        )
    renewed = Book(path, lambda: datetime.now(UTC))
    kept = renewed.order_of_payment(7001)
    assert kept is not None
    assert kept.standing == "waiting"
    renewed.note_payment(order.id, 1, "a-guid", "completed", None)
    assert renewed.order_of_payment("a-guid") is not None
