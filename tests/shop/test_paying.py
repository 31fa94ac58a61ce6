"""What happens to an order between the cart and the bank's news."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.shop.conftest import Shopper


def test_the_shop_registers_one_signed_webhook_and_its_return_address(shopper: Shopper) -> None:
    assert [one["url"] for one in shopper.wire.webhooks.values()] == [f"{shopper.shop_url}/webhook"]
    assert shopper.wire.redirect_uris == [f"{shopper.shop_url}/return"]


def test_the_amount_comes_from_the_shelf_whatever_the_form_says(shopper: Shopper) -> None:
    shopper.post("/cart/put", product="boite", quantity="2", add="1", price="1", unit_minor="1")
    shopper.post("/checkout", speed="instant", amount="0.01")
    (payment,) = shopper.wire.payments.values()
    (instruction,) = payment["instructions"]
    assert str(instruction["amount"]) == "158.0000000000"


def test_the_payer_is_sent_to_the_hosted_page_with_the_order_as_state(shopper: Shopper) -> None:
    order, sent_to = shopper.buy()
    query = httpx2.URL(sent_to).params
    assert sent_to.startswith(f"{shopper.wire.base_url}/2.0/auth/webview/en/payment?")
    assert query["state"] == order.id
    assert query["redirect_uri"] == f"{shopper.shop_url}/return"
    assert query["payment_id"] == str(shopper.payment_id(order))


def test_a_double_click_makes_one_order_and_one_payment(shopper: Shopper) -> None:
    shopper.post("/cart/put", product="carte", quantity="1", add="1")
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: shopper.post("/checkout", speed="instant"), range(4)))
    assert {answer.status_code for answer in answers} == {303}
    assert len(shopper.book.orders()) == 1
    assert len(shopper.wire.payments) == 1


def test_the_idempotency_key_is_the_order(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    keys = [key for method, path, key in shopper.wire.calls if (method, path) == ("POST", "/payments")]
    assert keys == [order.id]


def test_a_payer_who_approved_comes_back_to_a_paid_order(shopper: Shopper) -> None:
    order, sent_to = shopper.buy()
    back = shopper.http.get(sent_to + "&decide=done").headers["location"]
    landed = shopper.http.get(back).headers["location"]
    page = httpx2.get(httpx2.URL(back).join(landed)).text
    assert shopper.order(order).standing == "paid"
    assert "Paid. Thank you!" in page
    assert "Nothing here yet" in shopper.get("/cart").text


def test_a_return_address_that_lies_about_the_state_pays_nothing(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.get(f"/return?state={order.id}&id_payment=1&payment_state=done")
    assert shopper.order(order).standing == "open"


def test_a_return_with_the_paid_payment_of_another_order_pays_nothing(shopper: Shopper) -> None:
    paid, _ = shopper.buy("carte")
    shopper.wire.set_state(shopper.payment_id(paid), "done")
    shopper.get(f"/return?state={paid.id}")
    other, _ = shopper.buy("arc")
    shopper.get(f"/return?state={other.id}&id_payment={shopper.payment_id(paid)}")
    assert shopper.order(other).standing == "open"


@pytest.mark.parametrize("round_", range(5))
def test_browser_and_webhook_together_turn_an_order_paid_once(shopper: Shopper, round_: int) -> None:
    order, _ = shopper.buy()
    payment_id = shopper.payment_id(order)
    shopper.wire.set_state(payment_id, "done")
    headers, body, url = shopper.wire.signed_delivery(payment_id)

    def arrive(turn: int) -> int:
        if turn % 2:
            return httpx2.post(url, content=body, headers=headers).status_code
        return httpx2.get(f"{shopper.shop_url}/return?state={order.id}").status_code

    with ThreadPoolExecutor(8) as arrivals:
        statuses = list(arrivals.map(arrive, range(8)))

    assert sorted(statuses) == [204] * 4 + [303] * 4
    assert shopper.order(order).standing == "paid"
    assert shopper.kinds(order).count("paid") == 1


def test_a_webhook_alone_turns_an_order_paid(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "done")
    headers, body, url = shopper.wire.signed_delivery(shopper.payment_id(order))
    assert httpx2.post(url, content=body, headers=headers).status_code == 204
    assert shopper.order(order).standing == "paid"


def test_a_webhook_that_lies_about_the_state_pays_nothing(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "done")
    headers, body, url = shopper.wire.signed_delivery(shopper.payment_id(order))
    shopper.wire.set_state(shopper.payment_id(order), "pending")
    httpx2.post(url, content=body, headers=headers)
    assert shopper.order(order).standing == "waiting"


def test_a_forged_webhook_is_turned_away(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    headers, body, url = shopper.wire.signed_delivery(shopper.payment_id(order))
    forged = httpx2.post(url, content=body.replace(b"created", b"done"), headers=headers)
    assert forged.status_code == 400
    assert "heard" not in shopper.kinds(order)


def test_a_webhook_asks_to_come_again_when_the_service_cannot_be_read(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    headers, body, url = shopper.wire.signed_delivery(shopper.payment_id(order))
    shopper.wire.tokens.clear()
    shopper.wire.payments.clear()
    assert httpx2.post(url, content=body, headers=headers).status_code == 503


def test_a_failed_payment_can_be_tried_again_under_a_new_key(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "rejected", "insufficientFunds")
    shopper.get(f"/return?state={order.id}")
    page = shopper.get(f"/orders/{order.id}").text
    assert "not enough money" in page

    shopper.post(f"/orders/{order.id}/pay")
    shopper.wire.set_state(shopper.payment_id(order), "done")
    shopper.get(f"/return?state={order.id}")

    keys = [key for method, path, key in shopper.wire.calls if (method, path) == ("POST", "/payments")]
    assert keys == [order.id, f"{order.id}-2"]
    assert shopper.kinds(order) == ["ordered", "sent", "returned", "failed", "sent", "returned", "paid"]


def test_another_speed_gives_up_the_first_payment(shopper: Shopper) -> None:
    order, _ = shopper.buy(speed="instant")
    shopper.post("/checkout", speed="standard")
    first, second = shopper.wire.payments.values()
    assert (first["state"], first["error_code"]) == ("rejected", "CancelledByClient")
    assert second["instructions"][0]["execution_date_type"] == "first_open_day"
    assert len(shopper.book.orders()) == 1
    assert shopper.order(order).standing == "open"


def test_a_paid_order_is_not_sent_to_pay_again(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "done")
    answer = shopper.post(f"/orders/{order.id}/pay")
    assert answer.headers["location"] == f"/shop/orders/{order.id}"
    assert len(shopper.wire.payments) == 1


def test_cancelling_says_that_no_money_was_taken(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.post(f"/orders/{order.id}/cancel")
    assert shopper.order(order).standing == "cancelled"
    assert "No money was taken" in shopper.get(f"/orders/{order.id}").text


def test_a_wrong_amount_is_put_aside_for_a_person(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    payment = shopper.wire.payments[shopper.payment_id(order)]
    payment["instructions"][0]["amount"] = 1
    payment["state"] = "done"
    shopper.get(f"/return?state={order.id}")
    shopper.get(f"/return?state={order.id}")
    assert shopper.order(order).standing == "attention"
    assert shopper.kinds(order).count("attention") == 1


def test_a_bank_without_further_news_leaves_the_order_waiting_calmly(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "accepted")
    shopper.get(f"/return?state={order.id}")
    assert shopper.order(order).standing == "accepted"
    assert "paid" not in shopper.kinds(order)


def test_news_that_was_overtaken_does_not_turn_a_try_back(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    payment_id = shopper.payment_id(order)
    shopper.book.note_payment(order.id, 1, payment_id, "rejected", "bankMessage")
    shopper.book.note_payment(order.id, 1, payment_id, "pending", None)
    assert shopper.order(order).standing == "failed"
