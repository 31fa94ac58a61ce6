"""The shortest way through the wire: token, payment, token for the payer, bank, done."""

from __future__ import annotations

from datetime import timedelta

from tests.server import House


async def test_a_payment_goes_from_token_to_done(house: House) -> None:
    payment = await house.pay()
    scoped = await house.call("POST", f"/payments/{payment['id']}/scopedtoken", {"scope": ["payments:validate"]})
    assert scoped.json()["expires_in"] == 604_800
    validated = await house.validate(payment["id"], fields={"use_case_pay": "redirect"})
    assert (validated["state"], validated["action"]) == ("validating", "redirect")
    await house.http.get(validated["validate_uri"])
    assert (await house.settle(payment["id"], "done"))["action"] is None


async def test_moving_the_clock_moves_what_is_due(house: House) -> None:
    payment = await house.pay("pdng/done - rent", kind="first_open_day")
    assert (await house.validate(payment["id"]))["state"] == "pending"
    await house.move(timedelta(minutes=16))
    assert (await house.settle(payment["id"], "done"))["state"] == "done"
