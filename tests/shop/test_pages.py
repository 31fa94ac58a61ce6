"""The shop's pages, in both languages and behind their guard."""

import re
import sqlite3
from contextlib import closing

import pytest
from demo_shop.catalogue import price_text
from demo_shop.wording import EVENTS, REASONS, STANDINGS, TEXTS, preferred
from starlette.responses import JSONResponse

from tests.shop.conftest import Shopper

PATHS = ("/", "/cart", "/orders", "/nowhere")


@pytest.mark.parametrize("table", [TEXTS, STANDINGS, EVENTS, REASONS])
def test_both_languages_say_the_same_things(table: dict[str, dict[str, object]]) -> None:
    assert table["en"].keys() == table["fr"].keys()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_page_is_in_its_language_and_forbids_inline_code(shopper: Shopper, path: str, lang: str) -> None:
    answer = shopper.get(f"{path}?lang={lang}")
    assert f'<html lang="{lang}">' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", answer.text)


@pytest.mark.parametrize("path", PATHS)
def test_no_page_asks_anything_of_third_parties(shopper: Shopper, path: str) -> None:
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', shopper.get(path).text)
    assert addresses
    assert all(one.startswith(("/shop/", "#", "?lang=")) for one in addresses)


def test_the_language_stays_chosen(shopper: Shopper) -> None:
    shopper.get("/?lang=fr")
    assert "Votre panier" in shopper.get("/cart").text


def test_the_browser_names_the_language() -> None:
    assert preferred(None, "de-DE,fr-CA;q=0.8,en;q=0.5") == "fr"
    assert preferred(None, "") == "en"
    assert preferred("en", "fr") == "en"


def test_a_form_from_another_site_is_refused(shopper: Shopper) -> None:
    form = {"product": "carte", "quantity": "1", "add": "1"}
    answer = shopper.http.post(f"{shopper.shop_url}/cart/put", data=form, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "Nothing was charged" in answer.text


def test_quantities_step_and_end_at_nothing(shopper: Shopper) -> None:
    shopper.post("/cart/put", product="carte", quantity="1", add="1")
    shopper.post("/cart/put", product="carte", quantity="3")
    assert "€8.70" in shopper.get("/cart").text
    shopper.post("/cart/put", product="carte", quantity="0")
    assert "Nothing here yet" in shopper.get("/cart").text


@pytest.mark.parametrize("quantity", ["-1", "1.5", "x", "", "99999999999999999999"])
def test_a_strange_quantity_changes_nothing(shopper: Shopper, quantity: str) -> None:
    shopper.post("/cart/put", product="carte", quantity=quantity)
    assert "Nothing here yet" in shopper.get("/cart").text


def test_a_waiting_page_refreshes_itself_without_javascript(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    page = shopper.get(f"/orders/{order.id}").text
    assert '<noscript><meta http-equiv="refresh"' in page
    assert shopper.get(f"/orders/{order.id}/standing").json() == {"standing": "open"}


def test_a_settled_page_does_not_refresh_any_more(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    shopper.wire.set_state(shopper.payment_id(order), "done")
    shopper.get(f"/return?state={order.id}")
    assert "http-equiv" not in shopper.get(f"/orders/{order.id}").text


def test_the_order_book_names_each_order_and_how_it_stands(shopper: Shopper) -> None:
    order, _ = shopper.buy()
    page = shopper.get("/orders").text
    assert str(order.number) in page
    assert "Not paid yet" in page


def test_prices_are_written_as_each_language_writes_them() -> None:
    assert price_text(123456, "en") == "€1,234.56"
    assert price_text(290, "fr") == "2,90\u00a0€"


def test_every_standing_has_its_drawing(shopper: Shopper) -> None:
    for standing in STANDINGS["en"]:
        assert shopper.get(f"/static/art/standing-{standing}.svg").status_code == 200


def test_a_fault_of_ours_is_told_calmly_and_under_the_policy(shopper: Shopper) -> None:
    with closing(sqlite3.connect(shopper.book.path)) as connection:
        connection.execute("ALTER TABLE tries RENAME TO mislaid")
    answer = shopper.get("/orders")
    assert answer.status_code == 500
    assert "Something tore on our side" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_payment_that_is_declined_says_that_nothing_was_charged(shopper: Shopper) -> None:
    shopper.post("/cart/put", product="carte", quantity="1", add="1")
    shopper.wire.answered_first.append(JSONResponse({"code": "invalidValue"}, 400))
    landed = shopper.post("/checkout", speed="instant").headers["location"].removeprefix("/shop")
    assert "did not take this order. Nothing was charged." in shopper.get(landed).text
