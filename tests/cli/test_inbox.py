"""The webhook inbox and the return page, over HTTP."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opengiro.cli.arrivals import KEPT, Arrival, Arrivals, Verdict
from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.laptop import Laptop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def inbox(laptop: Laptop, **query: int) -> str:
    """Return the inbox's page."""
    return str(laptop.http.get(f"{laptop.url}/inbox", params=query).text)


def paid(laptop: Laptop, label: str = "Order 1") -> int:
    """Pay at the test bank and return the payment's id once the inbox heard that it is done."""
    payment_id = laptop.pay(label)
    laptop.validate(payment_id, TEST_BANK_ID)
    laptop.wait(lambda: "is-done" in inbox(laptop, payment=payment_id))
    return payment_id


def test_a_payments_events_arrive_signed_and_in_order(laptop: Laptop) -> None:
    payment_id = paid(laptop)
    page = inbox(laptop, payment=payment_id)
    heard = [page.index(f"Payment {payment_id}, event {number}<") for number in (2, 1)]
    assert heard == sorted(heard)
    assert page.count("✓ signature is right") == 2
    assert "BI-Signature".lower() in page
    assert "50.9000000000" in page


def test_an_unsigned_request_is_kept_and_not_taken(laptop: Laptop) -> None:
    answer = laptop.http.post(f"{laptop.url}/inbox/hook", json={"id": 4711, "state": "done"})
    assert (answer.status_code, answer.text) == (400, "not signed\n")
    page = inbox(laptop, payment=4711)
    assert "✗ not signed" in page


def test_a_replayed_delivery_with_another_amount_is_kept_and_not_taken(laptop: Laptop) -> None:
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1767225600", "webhook-signature": "v1,AAAA"}
    answer = laptop.http.post(f"{laptop.url}/inbox/hook", json={"id": 4712}, headers=headers)
    assert (answer.status_code, answer.text) == (400, "signature is wrong\n")


def test_a_compressed_delivery_is_verified_and_shown_in_the_clear(laptop: Laptop) -> None:
    config = laptop.powens["config_token"]
    laptop.call("POST", "/config", {"webhooks.compression.enabled": "1"}, token=config)
    payment_id = paid(laptop)
    laptop.call("POST", "/config", {"webhooks.compression.enabled": "0"}, token=config)
    page = inbox(laptop, payment=payment_id)
    assert "gzip" in page
    assert page.count("✓ signature is right") == 2


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"x" * (1024 * 1024 + 1), "identity"),
        (gzip.compress(b"x" * (1024 * 1024 + 1)), "gzip"),
        (b"not compressed", "gzip"),
    ],
)
def test_a_body_too_large_or_broken_is_refused(laptop: Laptop, body: bytes, encoding: str) -> None:
    answer = laptop.http.post(f"{laptop.url}/inbox/hook", content=body, headers={"content-encoding": encoding})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"id": true, "state": 7}', b'{"id": 99999999999999999999}', b"{}"]
)
def test_anything_that_is_no_payment_is_shown_too(laptop: Laptop, body: bytes) -> None:
    assert laptop.http.post(f"{laptop.url}/inbox/hook", content=body).status_code == 400
    assert "Not about a payment" in inbox(laptop).split("</summary>")[0]


def test_what_arrives_is_never_taken_for_markup(laptop: Laptop) -> None:
    laptop.http.post(f"{laptop.url}/inbox/hook", json={"id": 4713, "state": "<script>alert(1)</script>"})
    assert "<script>alert" not in inbox(laptop, payment=4713)


def test_a_rotated_secret_is_known_at_once(laptop: Laptop) -> None:
    config = laptop.powens["config_token"]
    listed = laptop.call("GET", "/webhooks/auth", token=config)
    auths = next(value for value in listed.values() if isinstance(value, list))
    own = next(auth for auth in auths if auth["name"] == "Webhook inbox")
    laptop.call("POST", f"/webhooks/auth/{own['id']}", {"rotate": True}, token=config)
    payment_id = paid(laptop)
    assert inbox(laptop, payment=payment_id).count("✓ signature is right") == 2


def test_the_return_page_shows_what_the_payers_return_carried(laptop: Laptop) -> None:
    payment_id = paid(laptop)
    query = {"id_payment": str(payment_id), "state": "order <77>", "payment_state": "done"}
    page = laptop.http.get(f"{laptop.url}/inbox/callback", params=query).text
    assert "order &lt;77&gt;" in page
    shown = laptop.http.get(f"{laptop.url}/inbox/payments/{payment_id}").json()
    assert f'href="/inbox/payments/{payment_id}"' in page
    assert shown == laptop.call("GET", f"/payments/{payment_id}")


@pytest.mark.parametrize("query", [{}, {"id_payment": "x"}, {"id_payment": "9" * 40}, {"error": "cancelled"}])
def test_a_return_that_names_no_payment_links_to_none(laptop: Laptop, query: dict[str, str]) -> None:
    answer = laptop.http.get(f"{laptop.url}/inbox/callback", params=query)
    assert answer.status_code == 200
    assert "/inbox/payments/" not in answer.text


@pytest.mark.parametrize("number", ["1", "x", "9" * 40])
def test_a_payment_that_is_not_there_is_not_found(laptop: Laptop, number: str) -> None:
    assert laptop.http.get(f"{laptop.url}/inbox/payments/{number}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/inbox", "/inbox/callback"])
def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(laptop: Laptop, path: str) -> None:
    answer = laptop.http.get(laptop.url + path)
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert " style=" not in answer.text


def arrival(number: int = 0, **changes: Any) -> Arrival:
    body = json.dumps({"id": number}).encode()
    return Arrival(**{"at": NOON, "verdict": Verdict.GENUINE, "headers": (), "body": body, **changes})


def test_pages_of_arrivals_go_back_to_the_first(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path / "inbox.db")
    for number in range(5):
        arrivals.keep(arrival(number))
    first = arrivals.page(None, None, 3)
    assert [one.number for one in first] == [5, 4, 3]
    assert [one.number for one in arrivals.page(None, 3, 3)] == [2, 1]
    arrivals.close()


def test_the_oldest_arrivals_give_way(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path / "inbox.db")
    for number in range(KEPT + 3):
        arrivals.keep(arrival(number))
    kept = arrivals.page(None, None, KEPT + 3)
    assert len(kept) == KEPT
    assert kept[-1].number == 4
    arrivals.close()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b'{"amount":1.0000000000}', '{\n  "amount": 1.0000000000\n}'),
        (b'{"amount":9007199254740993.10}', '{\n  "amount": 9007199254740993.10\n}'),
        (b"hello", "hello"),
        (b"\xff", "�"),
        (b"", ""),
    ],
)
def test_a_body_is_indented_with_its_digits_as_they_came(body: bytes, shown: str) -> None:
    assert arrival(body=body).pretty == shown
