"""Payments and transactions: what may be asked for, what is printed back, and how lists are paged."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from tests.banq import USER, Banq
from tests.server import until


async def refused(banq: Banq, body: dict[str, Any] | str) -> str:
    """Return the message of a request that is refused as a whole."""
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"authorization": f"Bearer {await banq.token()}"}
    answer = await banq.house.http.post(banq.api + "v1/payments/get-paid-link", content=content, headers=headers)
    assert answer.status_code == 400, answer.text
    assert list(answer.json()) == ["error", "message"]
    assert answer.json()["error"] == "invalid_request"
    message: str = answer.json()["message"]
    return message


@pytest.mark.parametrize(
    ("funds", "printed"),
    [("100", "100.00"), ("20.5", "20.50"), ('"0.01"', "0.01"), ("2.00", "2.00"), ("2.10000", "2.10"),
     ("123456789012.34", "123456789012.34")],
)  # fmt: skip
async def test_funds_are_exact_in_and_out(banq: Banq, funds: str, printed: str) -> None:  # BD11
    body = json.dumps(banq.order(funds=0)).replace('"funds": 0', f'"funds": {funds}')
    headers = {"authorization": f"Bearer {await banq.token()}"}
    answer = await banq.house.http.post(banq.api + "v1/payments/get-paid-link", content=body, headers=headers)
    assert f'"funds":{printed},' in answer.text
    assert answer.json()["currency"] == "EUR"


@pytest.mark.parametrize("funds", [0, -1, 0.001, 9_007_199_254_740_993, "1,5", "", "abc", None, [], {}, True, 1e30])
async def test_funds_that_are_no_amount_are_refused(banq: Banq, funds: Any) -> None:
    assert (await refused(banq, banq.order(funds=funds))).startswith("funds")


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"destination": None}, "destination"),
        ({"destination": {}}, "destination.banqGuid"),
        ({"destination": {"banqGuid": "c14cd3a1-0000-4000-8000-000000000001"}}, "destination.banqGuid"),
        ({"destination": {"banqGuid": "nonsense"}}, "destination.banqGuid"),
        ({"currency": "USD"}, "currency"),
        ({"comment": "x" * 141}, "comment"),
        ({"comment": "a\u202eb"}, "comment"),
        ({"externalOrderCode": "x" * 256}, "externalOrderCode"),
        ({"externalOrderCode": "a\nb"}, "externalOrderCode"),
        ({"frequency": "fortnightly"}, "frequency"),
        ({"startDate": "2026-02-30"}, "startDate"),
        ({"startDate": "tomorrow"}, "startDate"),
        ({"frequency": "monthly", "startDate": "2040-01-01", "endDate": "2039-12-31"}, "endDate"),
        ({"frequency": "monthly", "endDate": "2020-01-01"}, "endDate"),
    ],
)
async def test_a_wrong_property_is_named_by_its_path(banq: Banq, changes: dict[str, Any], about: str) -> None:
    assert (await refused(banq, banq.order(**changes))).startswith(about + ":")


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"funds": 1, "funds": 2}', '{"funds": NaN}'])
async def test_what_is_no_json_object_is_refused(banq: Banq, body: str) -> None:
    await refused(banq, body)


async def test_everything_that_is_wrong_is_named_at_once(banq: Banq) -> None:
    message = await refused(banq, banq.order(funds=0, comment="x" * 141, startDate="soon"))
    assert [part.partition(":")[0] for part in message.split("; ")] == ["comment", "startDate", "funds"]


async def test_the_ceiling_of_the_merchant_holds_here_too(banq: Banq) -> None:
    core = banq.house.core
    merchant = await core.merchant(banq.house.merchant_id)
    await core.store.merchants.save_settings(merchant, {"payment.max_amount": "50"}, "test", banq.house.now())
    assert "maximum" in await refused(banq, banq.order(funds=50.01))
    assert (await banq.get_paid(funds=50))["status"] == "created"


async def test_unknown_fields_are_ignored_and_the_guid_may_be_in_capitals(banq: Banq) -> None:  # BD21
    guid = banq.account.account_id.upper()
    created = await banq.get_paid(destination={"banqGuid": guid, "x": 1}, colour="red", currency="eur")
    assert created["destination"]["banq"]["banqGuid"] == banq.account.account_id
    assert "colour" not in created


async def test_an_order_id_may_be_a_number_and_a_comment_may_be_absent(banq: Banq) -> None:
    created = await banq.get_paid(externalOrderCode=77, comment=None)
    assert (created["externalOrderCode"], created["comment"]) == ("77", "77")
    bare = await banq.get_paid(externalOrderCode=None, comment="")
    assert (bare["externalOrderCode"], bare["comment"]) == (None, "Shop")


async def test_the_same_order_twice_is_two_payments_unless_a_key_says_it_is_one(banq: Banq) -> None:  # BD17
    first, second = await banq.get_paid(), await banq.get_paid()
    assert first["guid"] != second["guid"]
    path, key = "v1/payments/get-paid-link", {"idempotency_key": "k-1"}
    one = await banq.call("POST", path, banq.order(), **key)
    two = await banq.call("POST", path, banq.order(), **key)
    assert (two.status_code, two.content, two.headers["location"]) == (201, one.content, one.headers["location"])
    other = await banq.call("POST", path, banq.order(funds=1), **key)
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_mismatch")
    assert (await banq.call("GET", "v1/payments")).json()["total"] == 3


async def test_a_payment_is_read_by_guid_and_by_number_and_so_is_its_transaction(banq: Banq) -> None:  # BD10
    created = await banq.get_paid()
    by_guid = await banq.call("GET", f"v1/payments/{created['guid'].upper()}")
    by_number = await banq.call("GET", f"v1/payments/{created['id']}")
    assert by_guid.content == by_number.content
    transaction = (await banq.call("GET", f"v1/transactions/{created['id']}")).json()
    assert transaction["paymentGuid"] == created["guid"]
    assert "url" not in transaction
    assert transaction["dueDate"] is None
    again = (await banq.call("GET", f"v1/transactions/{transaction['guid']}")).json()
    assert again == transaction
    for path in (f"v1/transactions/{created['guid']}", f"v1/payments/{transaction['guid']}"):
        assert (await banq.call("GET", path)).status_code == 404


@pytest.mark.parametrize("name", ["0", "9" * 17, "9" * 16, "abc", "-1", "c14cd3a1-0000-4000-8000-000000000001"])
async def test_what_names_nothing_is_not_found(banq: Banq, name: str) -> None:
    for collection in ("payments", "transactions"):
        answer = await banq.call("GET", f"v1/{collection}/{name}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_future_day_schedules_and_a_day_that_has_passed_means_at_once(banq: Banq) -> None:  # BD12, BD13
    later = (banq.house.now() + timedelta(days=20)).date().isoformat()
    scheduled = await banq.get_paid(startDate=later)
    assert scheduled["recurrence"] == {"frequency": "once", "startDate": f"{later}T00:00:00"}
    payment = await banq.house.core.payment(banq.house.merchant_id, scheduled["id"])
    assert payment.execution == "deferred"
    at_once = await banq.get_paid(startDate="2021-06-15", endDate="nonsense is ignored here")
    payment = await banq.house.core.payment(banq.house.merchant_id, at_once["id"])
    assert payment.execution == "instant"


async def test_a_recurring_payment_prints_its_dates(banq: Banq) -> None:
    start = (banq.house.now() + timedelta(days=5)).date().isoformat()
    created = await banq.get_paid(frequency="Monthly", startDate=start, endDate="2039-12-31T00:00:00")
    expected = {"frequency": "monthly", "startDate": f"{start}T00:00:00", "endDate": "2039-12-31T00:00:00"}
    assert created["recurrence"] == expected
    assert (await banq.call("GET", f"v1/payments/{created['guid']}")).json()["recurrence"] == expected
    # Its transactions come with its dates; before there is none, not even by its own number.
    assert (await banq.call("GET", f"v1/transactions/{created['id']}")).status_code == 404
    assert (await banq.call("GET", "v1/transactions")).json() == {"transactions": [], "total": 0}


async def test_every_date_of_a_recurring_payment_is_a_transaction_of_its_own(banq: Banq) -> None:  # BD15
    created = await banq.get_paid(frequency="weekly")
    await banq.pay(created)
    banq.forget_tokens()
    await banq.house.move(timedelta(days=8))

    async def two() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await banq.call("GET", "v1/transactions")).json()["transactions"]
        return listed if len(listed) == 2 else []

    listed = await until(two)
    assert {one["paymentGuid"] for one in listed} == {created["guid"]}
    first, second = sorted(date.fromisoformat(one["dueDate"]) for one in listed)
    assert second - first == timedelta(days=7)
    for one in listed:
        assert (await banq.call("GET", f"v1/transactions/{one['guid']}")).json()["id"] == one["id"]
        assert (await banq.call("GET", f"v1/transactions/{one['id']}")).json()["guid"] == one["guid"]
    assert (await banq.call("GET", f"v1/payments/{created['guid']}")).json()["status"] == "processing"


async def test_a_payment_that_is_paid_names_its_kind_of_payer_and_its_end(banq: Banq) -> None:  # BD9
    created = await banq.get_paid()
    assert (created["source"], created["completedAt"]) == (None, None)
    await banq.pay(created)
    paid = await banq.settled(created, "completed")
    assert paid["source"] == {
        "userId": None, "type": "bank", "accountType": "personal", "accountId": None, "banq": None,
    }  # fmt: skip
    assert paid["completedAt"] == paid["updatedAt"] >= paid["createdAt"]
    assert paid["failReason"] is None
    transaction = (await banq.call("GET", f"v1/transactions/{created['id']}")).json()
    assert (transaction["status"], transaction["completedAt"]) == ("completed", paid["completedAt"])


async def test_a_payment_that_the_bank_refuses_says_why(banq: Banq) -> None:  # BD16
    created = await banq.get_paid(comment="rjct")
    await banq.pay(created, "legacy")
    failed = await banq.settled(created, "failed")
    assert failed["failReason"] == "General Error"


async def test_a_cancelled_payment_is_no_failure(banq: Banq) -> None:
    created = await banq.get_paid()
    answer = await banq.call("POST", f"v1/payments/{created['guid']}/cancel")
    assert (answer.json()["status"], answer.json()["failReason"]) == ("cancelled", None)
    again = await banq.call("POST", f"v1/payments/{created['guid']}/cancel")
    assert (again.status_code, again.json()["error"]) == (409, "conflict")


async def test_a_payment_nobody_makes_expires_after_thirty_days(banq: Banq) -> None:  # BD34
    created = await banq.get_paid()
    await banq.house.move(timedelta(days=31))
    banq.forget_tokens()
    assert (await banq.settled(created, "expired"))["failReason"] is None


async def test_lists_are_paged_newest_first_and_found_by_order(banq: Banq) -> None:  # BD18
    guids = [(await banq.get_paid(externalOrderCode=f"o-{number}"))["guid"] for number in range(5)]
    whole = (await banq.call("GET", "v1/payments")).json()
    assert [one["guid"] for one in whole["payments"]] == guids[::-1]
    page = (await banq.call("GET", "v1/payments?limit=2&offset=1")).json()
    assert ([one["guid"] for one in page["payments"]], page["total"]) == (guids[::-1][1:3], 5)
    for collection in ("payments", "transactions"):
        found = (await banq.call("GET", f"v1/{collection}?externalOrderCode=o-3")).json()
        assert ([one["externalOrderCode"] for one in found[collection]], found["total"]) == (["o-3"], 1)
        assert (await banq.call("GET", f"v1/{collection}?externalOrderCode=%25")).json()["total"] == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "offset=1.5", "limit=" + "9" * 30])
async def test_a_page_that_is_none_is_refused(banq: Banq, query: str) -> None:
    for collection in ("payments", "transactions", "banqs"):
        assert (await banq.call("GET", f"v1/{collection}?{query}")).status_code == 400


async def test_me_shows_what_was_asked_for_and_ignores_what_is_unknown(banq: Banq) -> None:  # BD19
    token = await banq.token(USER)
    for include, members in (("", set()), ("?include=accountSpaces", {"accountSpaces"}),
                             ("?include=banqAccounts,%20wings", {"banqAccounts"})):  # fmt: skip
        me = (await banq.call("GET", f"v1/users/me{include}", token=token)).json()
        assert set(me) == {"id", "guid", "email"} | members


async def test_banqs_are_listed(banq: Banq) -> None:
    listed = (await banq.call("GET", "v1/banqs?limit=1")).json()
    assert listed["total"] == 1
    assert set(listed["banqs"][0]) == {
        "id", "banqGuid", "custodialNumber", "banqName", "transactionName", "accountSpaceId", "currency",
    }  # fmt: skip
    assert (await banq.call("GET", "v1/banqs?offset=1")).json()["banqs"] == []


async def test_a_live_token_follows_one_payment_of_the_caller(banq: Banq, stranger: Banq) -> None:
    created = await banq.get_paid()
    answer = await banq.call("POST", f"v1/payments/{created['guid']}/livetoken")
    granted = answer.json()
    assert (answer.status_code, granted["paymentGuid"]) == (201, created["guid"])
    followed = await banq.house.http.get(f"{granted['url']}/poll?token={granted['token']}&wait=0")
    assert followed.status_code == 200
    assert (await stranger.call("POST", f"v1/payments/{created['guid']}/livetoken")).status_code == 404
