"""The requests of the published guides, word for word but for host, credentials and ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2

from tests.banq import Banq
from tests.workers.sink import sink

PAID_LINK = """{
  "destination": {
    "banqGuid": "%s"
  },
  "comment": "string",
  "funds": 100,
  "externalOrderCode": "009221",
  "frequency": "once",
  "startDate": "2021-06-15",
  "endDate": "2021-06-15"
}"""
WITH_NULLS = '"startDate": null, "endDate": null'


async def send(banq: Banq, path: str, body: str, **headers: str) -> httpx2.Response:
    token = await banq.token()
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
    return await banq.house.http.post(banq.api + path, content=body, headers=sent)


async def test_the_sample_of_both_guides_gets_a_payment_link(banq: Banq) -> None:
    for headers in ({}, {"X-Company-Id": "company-shop"}):
        answer = await send(banq, "v1/payments/get-paid-link", PAID_LINK % banq.account.account_id, **headers)
        created = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{banq.api}v1/payments/{created['guid']}"
        assert re.fullmatch(re.escape(banq.house.base_url) + "/[A-Za-z0-9]{11}", created["url"])
        assert created["data"] == {"url": created["url"]}  # BD7
        assert (created["status"], created["externalOrderCode"]) == ("created", "009221")
        assert created["recurrence"]["frequency"] == "once"
        assert "endDate" not in created["recurrence"]


async def test_dates_left_out_or_null_are_the_same_for_a_payment_made_once(banq: Banq) -> None:  # BC5
    whole = PAID_LINK % banq.account.account_id
    without = re.sub(r',\s*"startDate".*\n.*', "", whole)
    nulls = re.sub(r'"startDate".*\n.*', WITH_NULLS, whole)
    for body in (without, nulls):
        assert (await send(banq, "v1/payments/get-paid-link", body)).status_code == 201


async def test_the_merchants_endpoint_may_wrap_the_answer_or_pass_it_on(banq: Banq) -> None:  # BD7
    answer = (await send(banq, "v1/payments/get-paid-link", PAID_LINK % banq.account.account_id)).json()
    assert {"data": answer}["data"]["url"] == answer["data"]["url"]


async def test_the_user_token_finds_the_banq_and_its_space(banq: Banq) -> None:
    token = (await banq.grant(banq.user_login())).json()["access_token"]
    path = "v1/users/me?include=accountSpaces,banqAccounts"
    me = (await banq.call("GET", path, token=token)).json()
    (account,), (space,) = me["banqAccounts"], me["accountSpaces"]
    assert account["banqGuid"] == banq.account.account_id
    assert account["accountSpaceId"] == space["accountSpaceId"] == banq.space.space_id
    assert space["platformId"] == banq.space.platform_id
    assert me["email"] == banq.email


async def test_the_webhook_of_the_guide_is_registered_and_tells_what_to_read(banq: Banq) -> None:
    async with sink() as receiver:
        body = {"url": receiver.url, "enabled": True, "retryCount": 5, "webHookTypes": ["payment", "transaction"]}
        path = f"v1/account-spaces/{banq.space.space_id}/webhook-config"
        assert (await send(banq, path, json.dumps(body))).status_code == 201
        created = await banq.get_paid()
        await banq.pay(created)
        event: dict[str, Any] = await banq.heard(receiver, "completed", "Payment")
        read = await banq.call("GET", f"v1/payments/{event['resourceId']}")
        assert (read.json()["status"], read.json()["externalOrderCode"]) == ("completed", "order-77")


def test_the_samples_here_are_those_of_the_guides(shared: Path) -> None:
    for name in ("banq-generate-payment-link.md", "banq-checkout-widget.md"):
        guide = (shared / "seeds" / name).read_text()
        assert set(json.loads(PAID_LINK % "x")) <= set(re.findall(r'"(\w+)"', guide))
