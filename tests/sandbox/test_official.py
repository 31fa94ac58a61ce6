"""The judge itself: the official file accepts what the banks answer and would catch what they must not."""

import json
from typing import Any

import pytest
from openapi_core import OpenAPI

from tests.sandbox.conftest import hold_against
from tests.sandbox.tpp import Answer, Bank, products_path

GOOD: dict[str, Any] = {"transactionStatus": "RCVD", "paymentId": "1", "_links": {"self": {"href": "/1"}}}
REQUEST_ID = {"X-Request-ID": "0d6a5a3b-4c5e-4f3d-9f0e-3d1a7d0c9b11"}


def answer(body: dict[str, Any], headers: dict[str, str]) -> Answer:
    return Answer(201, headers=headers | {"Content-Type": "application/json"}, content=json.dumps(body))


def test_the_official_file_accepts_a_right_answer(official: OpenAPI) -> None:
    hold_against(official, "POST", products_path("sct"), answer(GOOD, REQUEST_ID))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (GOOD | {"transactionStatus": "DONE"}, REQUEST_ID),
        ({"transactionStatus": "RCVD", "paymentId": "1"}, REQUEST_ID),
        (GOOD | {"_links": {"self": "/1"}}, REQUEST_ID),
        (GOOD, {}),
        (GOOD, {"X-Request-ID": "1001"}),
        (GOOD, REQUEST_ID | {"ASPSP-SCA-Approach": "TELEPATHY"}),
    ],
)
def test_the_official_file_catches_a_wrong_answer(
    official: OpenAPI, body: dict[str, Any], headers: dict[str, str]
) -> None:
    with pytest.raises(AssertionError):
        hold_against(official, "POST", products_path("sct"), answer(body, headers))


def test_every_bank_that_answers_conforms(official: OpenAPI, horizon: Bank) -> None:
    """One initiation at each bank; the stories hold every other answer against the file as they go."""
    for entry in horizon.http.get(horizon.url.removesuffix("/horizon") + "/banks").json():
        if entry["code"] == "sol":
            continue  # It hangs for half a minute; its answer is the same code as the others'.
        bank = Bank(horizon.url.removesuffix("/horizon"), entry["code"], horizon.http, horizon.judge)
        debtor = {"iban": bank.ibans()["everyday"]}
        assert bank.post_payment("sct", debtorAccount=debtor).status_code in {201, 503}
