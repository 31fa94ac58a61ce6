"""The judge of our exchanges can find fault, on either side."""

import json
from typing import Any

import pytest

from opengiro.connectors.berlin_group.translate import payment_body
from opengiro.domain.banks import Reply
from tests.connectors.errands import order
from tests.connectors.official import Official

PATH = "/v1/payments/sepa-credit-transfers"
HEADERS = {"X-Request-ID": "0d6a5a3b-4c5e-4f3d-9f0e-3d1a7d0c9b11", "PSU-IP-Address": "192.0.2.7"}
TAKEN = {"transactionStatus": "RCVD", "paymentId": "p1", "_links": {}}


def check(official: Official, headers: dict[str, str], body: bytes, answer: dict[str, Any]) -> None:
    answered = {"x-request-id": HEADERS["X-Request-ID"], "location": "http://bank.example/p1"}
    reply = Reply(201, answered | {"content-type": "application/json"}, json.dumps(answer).encode())
    official.check("POST", PATH, headers, body, reply)


def test_our_order_and_a_plain_answer_are_what_the_file_declares(official: Official) -> None:
    check(official, HEADERS, payment_body(order()), TAKEN)


@pytest.mark.parametrize("missing", ["creditorName", "creditorAccount", "instructedAmount"])
def test_an_order_without_a_required_field_is_found(official: Official, missing: str) -> None:
    body = json.loads(payment_body(order()))
    del body[missing]
    with pytest.raises(AssertionError):
        check(official, HEADERS, json.dumps(body).encode(), TAKEN)


@pytest.mark.parametrize(("header", "value"), [("X-Request-ID", "17"), ("PSU-IP-Address", "2001:db8::1")])
def test_a_header_of_the_wrong_form_is_found(official: Official, header: str, value: str) -> None:
    with pytest.raises(AssertionError):
        check(official, HEADERS | {header: value}, payment_body(order()), TAKEN)


@pytest.mark.parametrize("change", [{"transactionStatus": "ACTV"}, {"paymentId": 7}, {"_links": "none"}])
def test_an_answer_of_the_wrong_form_is_found(official: Official, change: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check(official, HEADERS, payment_body(order()), TAKEN | change)
