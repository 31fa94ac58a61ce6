"""The shop's endpoints without a framework: links, webhooks, returns and news, over real HTTP and real SQLite."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opengiro_kit import AnyPayment, AsyncBanqClient, BanqClient, Order, PowensClient, SqliteLedger
from opengiro_kit.counter import (
    Counter,
    Reply,
    come_back,
    generate_link,
    give_live_token,
    hear_banq,
    hear_powens,
    tell_standing,
)
from opengiro_kit.steps import cook, cook_async

from tests.kit.banq_wire import BanqWire
from tests.kit.test_powens_client import new_payment
from tests.shop.wire import PowensWire

KITE = Order("order-77", None, Decimal("50.90"), "EUR", "A kite")


@dataclass
class Shop:
    """A shop whose book is a dictionary and a table of parcels."""

    path: Path
    orders: dict[str, Order] = field(default_factory=lambda: {KITE.id: KITE})

    def __post_init__(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("CREATE TABLE parcels (what TEXT, order_id TEXT, payment TEXT)")

    def counter(self, **clients: Any) -> Counter[sqlite3.Connection]:
        return Counter(
            find_order=self.orders.get,
            ledger=SqliteLedger(self.path),
            on_paid=self.send,
            on_failed=self.apologise,
            **clients,
        )

    def note(self, order: Order, payment: AnyPayment) -> None:
        self.orders[order.id] = replace(order, payment_id=payment.reference)

    def send(self, transaction: sqlite3.Connection, order: Order, paid: AnyPayment) -> None:
        transaction.execute("INSERT INTO parcels VALUES ('kite', ?, ?)", (order.id, str(paid.reference)))

    def apologise(self, transaction: sqlite3.Connection, order: Order, lost: AnyPayment) -> None:
        transaction.execute("INSERT INTO parcels VALUES ('sorry', ?, ?)", (order.id, str(lost.reference)))

    def parcels(self) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT what, payment FROM parcels ORDER BY rowid").fetchall()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop.db")


@pytest.fixture
def counter(shop: Shop, banq_wire: BanqWire) -> Counter[sqlite3.Connection]:
    return shop.counter(banq=BanqClient(banq_wire.credentials), note_payment=shop.note)


def asked(counter: Counter[Any], content_type: str = "application/json", **body: object) -> Reply:
    sent = {"orderId": "order-77", "comment": "Demo Widget", "funds": Decimal("50.90")} | body
    encoded = msgspec.json.Encoder(decimal_format="number").encode(sent)
    return cook(generate_link(counter, content_type, encoded))


def said(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)


def heard(counter: Counter[Any], guid: str, action: str = "completed", kind: str = "Payment") -> int:
    body = msgspec.json.encode({"action": action, "resourceType": kind, "resourceId": guid})
    return cook(hear_banq(counter, {}, body)).status


def test_a_page_gets_a_link_at_data_url(counter: Counter[Any], banq_wire: BanqWire) -> None:
    reply = asked(counter)
    (payment,) = banq_wire.payments.values()
    assert (reply.status, said(reply)) == (200, {"data": {"url": payment["url"]}})
    assert (payment["funds"], payment["comment"], payment["externalOrderCode"]) == (
        Decimal("50.90"),
        "A kite",
        "order-77",
    )


@pytest.mark.parametrize("funds", [Decimal("50.9"), "50.90", Decimal("50.9000"), None])
def test_the_same_amount_may_be_written_in_any_way(counter: Counter[Any], funds: object) -> None:
    assert asked(counter, funds=funds).status == 200


@pytest.mark.parametrize("funds", [Decimal("0.01"), 2, "1", Decimal("50.901")])
def test_a_page_that_shows_another_amount_gets_no_link(
    counter: Counter[Any], banq_wire: BanqWire, funds: object
) -> None:
    reply = asked(counter, funds=funds)
    assert (reply.status, said(reply)) == (409, {"error": "funds_differ"})
    assert not banq_wire.payments


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b'{"orderId":["x"]}', "application/json", 400),
        (b'{"orderId":"1","funds":"much"}', "application/json", 400),
        (b"orderId=order-77", "application/x-www-form-urlencoded", 415),
        (b'{"orderId":"order-77"}', "text/plain", 415),
        (b'{"orderId":"another"}', "application/json", 404),
        (b'{"orderId":77}', "application/json; charset=utf-8", 404),
    ],
)
def test_what_is_no_question_about_an_order_makes_no_payment(
    counter: Counter[Any], banq_wire: BanqWire, body: bytes, content_type: str, status: int
) -> None:
    assert cook(generate_link(counter, content_type, body)).status == status
    assert not banq_wire.calls


def test_one_order_has_one_link_however_often_and_however_many_ask(shop: Shop, banq_wire: BanqWire) -> None:
    forgetful = shop.counter(banq=BanqClient(banq_wire.credentials))
    with ThreadPoolExecutor(8) as pages:
        replies = list(pages.map(lambda _: asked(forgetful).body, range(16)))
    assert len(set(replies)) == len(banq_wire.payments) == 1


def test_a_shop_that_notes_its_payment_needs_no_keys_of_the_service(shop: Shop, original_banq: BanqWire) -> None:
    client = BanqClient(replace(original_banq.credentials, currency="EUR"))
    counter = shop.counter(banq=client, note_payment=shop.note)
    first = asked(counter).body
    shop.orders[KITE.id] = replace(KITE, payment_id=original_banq.guids[0])
    assert asked(counter).body == first
    assert len(original_banq.payments) == 1


@pytest.mark.parametrize("notes", [True, False])
def test_a_failed_payment_is_followed_by_another(shop: Shop, banq_wire: BanqWire, notes: bool) -> None:
    noting = {"note_payment": shop.note} if notes else {}
    counter = shop.counter(banq=BanqClient(banq_wire.credentials), **noting)
    first = said(asked(counter))
    banq_wire.set_status(banq_wire.guids[0], "expired")
    second = said(asked(counter))
    assert first != second
    assert said(asked(counter)) == second
    assert len(banq_wire.payments) == 2


@pytest.mark.parametrize("notes", [True, False])
def test_a_paid_order_gets_no_link(shop: Shop, banq_wire: BanqWire, notes: bool) -> None:
    noting = {"note_payment": shop.note} if notes else {}
    counter = shop.counter(banq=BanqClient(banq_wire.credentials), **noting)
    asked(counter)
    banq_wire.set_status(banq_wire.guids[0], "completed")
    reply = asked(counter)
    assert (reply.status, said(reply)) == (409, {"error": "already_paid"})


def test_an_order_paid_on_the_other_wire_gets_no_link(shop: Shop, banq_wire: BanqWire, powens_wire: PowensWire) -> None:
    powens = PowensClient(powens_wire.credentials)
    shop.note(KITE, powens.create_payment(new_payment()))
    for payment_id in powens_wire.payments:
        powens_wire.set_state(payment_id, "accepted")
    counter = shop.counter(banq=BanqClient(banq_wire.credentials), powens=powens)
    assert said(asked(counter)) == {"error": "already_paid"}
    assert not banq_wire.payments


def test_another_amount_is_another_payment(shop: Shop, counter: Counter[Any], banq_wire: BanqWire) -> None:
    shop.orders[KITE.id] = KITE
    asked(counter)
    shop.orders[KITE.id] = replace(KITE, amount=Decimal(60))
    assert asked(counter, funds=60).status == 200
    assert [one["funds"] for one in banq_wire.payments.values()] == [Decimal("50.90"), Decimal(60)]


def test_a_service_that_declines_or_is_away_is_told_apart(shop: Shop, banq_wire: BanqWire) -> None:
    wrong = replace(banq_wire.credentials, password="wrong")
    away = replace(banq_wire.credentials, token_url="http://127.0.0.1:9/")
    statuses = [asked(shop.counter(banq=BanqClient(one))).status for one in (wrong, away)]
    assert statuses == [502, 503]


def test_a_webhook_settles_the_order_of_the_payment_that_was_read(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    assert heard(counter, guid) == 204
    assert shop.parcels() == []
    banq_wire.set_status(guid, "completed")
    assert [heard(counter, guid, action="failed") for _ in range(3)] == [204] * 3
    assert shop.parcels() == [("kite", guid)]


def test_a_webhook_finds_its_order_where_the_payment_was_never_learnt(shop: Shop, original_banq: BanqWire) -> None:
    counter = shop.counter(banq=BanqClient(replace(original_banq.credentials, currency="EUR")))
    asked(counter)
    (guid,) = original_banq.guids
    original_banq.set_status(guid, "completed")
    assert heard(counter, guid) == 204
    assert shop.parcels() == [("kite", guid)]


def test_webhook_browser_and_a_second_webhook_at_once_send_one_parcel(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    banq_wire.set_status(guid, "completed")

    def arrive(turn: int) -> int:
        return heard(counter, guid) if turn % 2 else cook(tell_standing(counter, "order-77")).status

    with ThreadPoolExecutor(8) as arrivals:
        statuses = set(arrivals.map(arrive, range(24)))
    assert statuses <= {200, 204, 503}
    assert shop.parcels() == [("kite", guid)]


def test_a_second_paid_payment_of_one_order_sends_no_second_parcel(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    for amount in (Decimal("50.90"), Decimal("50.90")):
        shop.orders[KITE.id] = replace(KITE, comment=f"kite {len(banq_wire.payments)}", amount=amount)
        asked(counter)
    for guid in banq_wire.guids:
        banq_wire.set_status(guid, "completed")
        assert heard(counter, guid) == 204
    assert shop.parcels() == [("kite", banq_wire.guids[0])]


def test_a_payment_made_for_another_amount_pays_nothing(shop: Shop, counter: Counter[Any], banq_wire: BanqWire) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    banq_wire.payments[guid]["funds"] = Decimal("0.01")
    banq_wire.set_status(guid, "completed")
    assert heard(counter, guid) == 204
    assert shop.parcels() == []


def test_a_payment_that_failed_is_told_once(shop: Shop, counter: Counter[Any], banq_wire: BanqWire) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    banq_wire.set_status(guid, "cancelled")
    heard(counter, guid)
    heard(counter, guid)
    assert shop.parcels() == [("sorry", guid)]


@pytest.mark.parametrize(
    ("guid", "kind"), [("7a9b3c4d-0000-4000-8000-000000000009", "Payment"), ("1", "Transaction"), ("1", "Nft")]
)
def test_news_of_something_unknown_is_taken_and_forgotten(counter: Counter[Any], guid: str, kind: str) -> None:
    assert heard(counter, guid, kind=kind) == 204


def test_news_of_an_order_that_the_shop_does_not_know_is_taken_and_forgotten(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    shop.orders.clear()
    banq_wire.set_status(banq_wire.guids[0], "completed")
    assert heard(counter, banq_wire.guids[0]) == 204
    assert shop.parcels() == []


def test_the_sender_comes_again_when_the_payment_cannot_be_read(shop: Shop, banq_wire: BanqWire) -> None:
    away = shop.counter(banq=BanqClient(replace(banq_wire.credentials, token_url="http://127.0.0.1:9/")))
    wrong = shop.counter(banq=BanqClient(replace(banq_wire.credentials, password="wrong")))
    assert [heard(one, "1") for one in (away, wrong)] == [503, 503]


def test_the_sender_comes_again_while_somebody_else_settles(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    banq_wire.set_status(guid, "completed")
    counter.ledger.claim("paid:order-77")
    assert heard(counter, guid) == 503


def test_an_unsigned_webhook_is_refused_where_there_is_a_secret(counter: Counter[Any], banq_wire: BanqWire) -> None:
    assert heard(replace(counter, banq_secrets=lambda: ("whsec_c2VjcmV0",)), "1") == 400
    assert not banq_wire.calls


def test_each_occurrence_of_a_recurring_payment_sends_one_parcel_and_its_end_none(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    payment = banq_wire.payments[guid]
    payment["recurrence"]["frequency"] = "monthly"
    for ordinal in ("1", "2"):
        told = {**payment, "guid": f"tx-{ordinal}", "paymentGuid": guid, "status": "completed"}
        banq_wire.transactions[f"tx-{ordinal}"] = told
    for _ in range(2):
        for ordinal in ("1", "2"):
            assert heard(counter, f"tx-{ordinal}", kind="Transaction") == 204
    banq_wire.set_status(guid, "completed")
    assert heard(counter, guid) == 204
    assert shop.parcels() == [("kite", "tx-1"), ("kite", "tx-2")]


def test_the_transaction_of_a_single_payment_leaves_the_order_to_its_payment(
    shop: Shop, counter: Counter[Any], banq_wire: BanqWire
) -> None:
    asked(counter)
    (guid,) = banq_wire.guids
    banq_wire.transactions["tx"] = {**banq_wire.payments[guid], "guid": "tx", "status": "completed"}
    assert heard(counter, "tx", kind="Transaction") == 204
    assert shop.parcels() == []


def test_a_webhook_of_the_powens_wire_settles_the_same_book(shop: Shop, powens_wire: PowensWire) -> None:
    with PowensClient(powens_wire.credentials) as client:
        payment = client.create_payment(msgspec.structs.replace(new_payment(), client_state="order-77"))
        secret = client.create_signing_secret("shop")
        client.create_webhook("http://shop.example/hooks", secret.id)
        powens_wire.set_state(payment.id, "done")
        headers, body, _ = powens_wire.signed_delivery(payment.id)
        counter = shop.counter(powens=client, powens_secrets=lambda: (secret.secret,))
        assert cook(hear_powens(counter, headers, body, "/elsewhere")).status == 400
        assert cook(hear_powens(counter, headers, body, "/hooks")).status == 204
    assert shop.parcels() == [("kite", str(payment.id))]


def test_a_payer_who_comes_back_is_sent_to_the_order_after_one_look(shop: Shop, powens_wire: PowensWire) -> None:
    with PowensClient(powens_wire.credentials) as client:
        shop.note(KITE, client.create_payment(new_payment()))
        for payment_id in powens_wire.payments:
            powens_wire.set_state(payment_id, "done")
        reply = cook(come_back(shop.counter(powens=client), "order-77"))
    assert (reply.status, reply.headers["location"]) == (303, "/orders/order-77")
    assert [what for what, _ in shop.parcels()] == ["kite"]


def test_a_payer_comes_back_even_when_the_service_is_away(shop: Shop, powens_wire: PowensWire) -> None:
    away = replace(powens_wire.credentials, base_url="http://127.0.0.1:9/2.0")
    shop.orders[KITE.id] = replace(KITE, payment_id=1)
    counter = shop.counter(powens=PowensClient(away))
    assert cook(come_back(counter, "order-77")).status == 303
    assert cook(come_back(counter, "another")).status == 404
    assert cook(tell_standing(counter, "order-77")).status == 503


@pytest.mark.parametrize(("status", "standing"), [("created", "waiting"), ("completed", "paid"), ("failed", "failed")])
def test_a_page_hears_how_its_order_stands(
    counter: Counter[Any], banq_wire: BanqWire, status: str, standing: str
) -> None:
    assert said(cook(tell_standing(counter, "order-77"))) == {"standing": "waiting"}
    asked(counter)
    banq_wire.set_status(banq_wire.guids[0], status)
    assert said(cook(tell_standing(counter, "order-77"))) == {"standing": standing}


def test_a_page_gets_what_it_follows_its_payment_with(counter: Counter[Any], banq_wire: BanqWire) -> None:
    assert cook(give_live_token(counter, "order-77")).status == 404
    asked(counter)
    reply = cook(give_live_token(counter, "order-77"))
    live = {"url": f"{banq_wire.base_url}/live/9001", "token": "live", "expires_in": 900}
    assert (said(reply), reply.headers["cache-control"]) == (live, "no-store")


def test_a_service_without_live_status_leaves_the_page_to_ask(shop: Shop, original_banq: BanqWire) -> None:
    shop.orders[KITE.id] = replace(KITE, payment_id="7a9b3c4d")
    counter = shop.counter(banq=BanqClient(original_banq.credentials))
    reply = cook(give_live_token(counter, "order-77"))
    assert (reply.status, said(reply)) == (404, {"error": "nothing_to_follow"})


async def test_the_asynchronous_way_is_the_same(shop: Shop, banq_wire: BanqWire) -> None:
    async with AsyncBanqClient(banq_wire.credentials) as client:
        counter = shop.counter(banq=client, note_payment=shop.note)
        reply = await cook_async(generate_link(counter, "application/json", b'{"orderId":"order-77"}'))
        (guid,) = banq_wire.guids
        assert said(reply) == {"data": {"url": banq_wire.payments[guid]["url"]}}
        banq_wire.set_status(guid, "completed")
        assert said(await cook_async(tell_standing(counter, "order-77"))) == {"standing": "paid"}
        assert (await cook_async(tell_standing(counter, "another"))).status == 404
    assert shop.parcels() == [("kite", guid)]


def test_a_frequency_nobody_knows_yet_recurs(shop: Shop, counter: Counter[Any], banq_wire: BanqWire) -> None:
    asked(counter)
    banq_wire.payments[banq_wire.guids[0]]["recurrence"]["frequency"] = "fortnightly"
    banq_wire.set_status(banq_wire.guids[0], "completed")
    heard(counter, banq_wire.guids[0])
    assert shop.parcels() == []
