"""A payer looks at a recurring payment again, and stops it there."""

from __future__ import annotations

import re
from pathlib import Path

from opengiro.usecases.stop_recurring import stop_by_client
from tests.journeys.standing import bank_id, opener
from tests.web.payer import link
from tests.web.test_addresses import FORM


async def test_the_payer_sees_what_repeats_and_stops_it(tmp_path: Path) -> None:
    """Zwin stops an order at once; what was paid stays paid."""
    async with opener(tmp_path)("2027-01-10") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await shop.reach("2027-02-02")
        await shop.told(payment_id, "2027-01-31 done")
        base = (await shop.house.http.get(await link(shop.house, payment_id))).headers["location"]

        page = (await shop.house.http.get(base)).text
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
        assert token
        assert "Every month" in page
        assert "Sunday, 28 February 2027" in page or "Sunday, February 28, 2027" in page

        await shop.house.http.post(f"{base}/stop", content=f"csrf={token[1]}", headers=FORM)
        stopped = await shop.house.settle(payment_id, "rejected")
        assert stopped["error_code"] == "CancelledByUser"
        over = (await shop.house.http.get(base)).text
        assert "What was already paid stays paid." in over
        assert "No money has left your account" not in over
        assert "You declined" not in over
        await shop.reach("2027-04-02")
        await shop.told(payment_id, "2027-01-31 done")


async def test_a_stop_before_the_first_date_says_that_no_money_has_moved(tmp_path: Path) -> None:
    async with opener(tmp_path)("2027-01-10") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await stop_by_client(shop.house.core, 1, payment_id)
        await shop.house.settle(payment_id, "rejected")
        page = await shop.house.http.get(await link(shop.house, payment_id), follow_redirects=True)
        assert "No money has left your account" in page.text


async def test_a_bank_that_cannot_stop_an_order_is_named_with_what_to_do_instead(tmp_path: Path) -> None:
    async with opener(tmp_path)("2027-01-10") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "brume"))
        base = (await shop.house.http.get(await link(shop.house, payment_id))).headers["location"]
        page = (await shop.house.http.get(base)).text
        assert "delete the standing order in your bank" in page
        assert f"{base}/stop" not in page
