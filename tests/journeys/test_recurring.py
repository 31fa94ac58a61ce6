"""Recurring payments from consent to their end, on a clock that moves in days, months and jumps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Reason
from opengiro.usecases.follow_schedule import follow_schedules
from opengiro.usecases.stop_recurring import stop_by_client, stop_by_payer
from tests.journeys.standing import Merchant, Open, bank_id, opener
from tests.server import order

ENDS = [f"2027-{month:02}-{day}" for month, day in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    return opener(tmp_path / "server")


def ledger(answer: Any) -> list[str]:
    (line,) = answer.json()["payments"]
    return [one["due"] for one in line["standing"]["executions"] if not one["reason"]]


async def executed(shop: Merchant, slug: str) -> list[str]:
    """What a sandbox bank has executed of its one standing order."""
    return ledger(await shop.house.http.get(f"{shop.house.base_url}/sandbox/{slug}/ledger"))


async def test_a_year_of_month_ends_is_twelve_transactions_and_then_done(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31", end="2027-12-31")
        active = await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        assert (active["state"], active["bank_payment_id"] is not None) == ("pending", True)
        for count, day in enumerate(ENDS, start=1):
            await shop.reach(day, hour=0)
            before = [f"{past} done" for past in ENDS[: count - 1]]
            await shop.told(payment_id, *before, f"{day} pending")
            await shop.reach(day, hour=23)
            if count < len(ENDS):
                await shop.reach(_fourth_of_next_month(day))
                await shop.told(payment_id, *before, f"{day} done")
        await shop.reach("2028-01-04")
        occurrences = await shop.told(payment_id, *(f"{day} done" for day in ENDS))
        assert (await shop.house.settle(payment_id, "done"))["state"] == "done"
        assert await executed(shop, "zwin") == ENDS
        assert len({one.guid for one in occurrences}) == len({one.number for one in occurrences}) == 12
        for one in occurrences:
            moves = await shop.house.core.store.occurrences.moves(1, payment_id, one.ordinal)
            assert [(moved.sequence, moved.target) for moved in moves] == [(0, State.PENDING), (1, State.DONE)]


def _fourth_of_next_month(day: str) -> str:
    year, month = divmod(int(day[:4]) * 12 + int(day[5:7]), 12)
    return f"{year}-{month + 1:02}-04"


async def test_a_jump_of_three_months_catches_up_on_every_date_once(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await shop.reach("2027-05-04")
        await shop.told(payment_id, *(f"{day} done" for day in ENDS[:4]))
        assert await executed(shop, "zwin") == ENDS[:4]
        assert (await shop.house.call("GET", f"/payments/{payment_id}")).json()["state"] == "pending"


async def test_days_on_which_the_clocks_change_have_one_transaction_each(opened: Open) -> None:
    async with opened("2027-03-26") as shop:
        payment_id = await shop.agree("2027-03-27", "daily", "2027-03-29")
        await shop.consent(payment_id)
        for day in ("2027-03-27", "2027-03-28", "2027-03-29"):
            await shop.reach(day, hour=0)
            await asyncio.sleep(0.6)
            assert (await shop.occurrences(payment_id))[-1].due_date.isoformat() == day
        await shop.reach("2027-03-29", hour=23)
        await shop.told(payment_id, *(f"2027-03-{day} done" for day in (27, 28, 29)))
    async with opened("2027-10-29") as shop:
        payment_id = await shop.agree("2027-10-30", "daily", "2027-11-01")
        await shop.consent(payment_id)
        await shop.reach("2027-11-02")
        await shop.told(payment_id, "2027-10-30 done", "2027-10-31 done", "2027-11-01 done")


async def test_a_restart_in_between_neither_loses_nor_repeats_a_date(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await shop.reach("2027-02-04")
        await shop.told(payment_id, "2027-01-31 done")
        await shop.house.move(-shop.house.core.clock.offset(1))
    async with opened("2027-04-04") as shop:
        await shop.told(payment_id, *(f"{day} done" for day in ENDS[:3]))
        await follow_schedules(shop.house.core)
        assert await executed(shop, "zwin") == ENDS[:3]


async def test_several_schedulers_at_once_make_one_transaction_of_each_date(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-05", "daily")
        await shop.consent(payment_id)
        await shop.reach("2027-06-04")
        await asyncio.gather(*(follow_schedules(shop.house.core) for _ in range(8)))
        occurrences = await shop.occurrences(payment_id)
        assert [one.ordinal for one in occurrences] == list(range(1, 152))
        assert len({one.due_date for one in occurrences}) == 151


async def test_a_date_that_one_bank_refuses_leaves_the_others_alone(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31", end="2027-03-31", label="done/rjct/done - rent")
        await shop.consent(payment_id)
        await shop.reach("2027-03-04")
        _, refused = await shop.told(payment_id, "2027-01-31 done", "2027-02-28 rejected")
        assert refused.reason is Reason.NOT_SPECIFIED
        assert (await shop.house.call("GET", f"/payments/{payment_id}")).json()["state"] == "pending"
        await shop.reach("2027-04-02")
        await shop.told(payment_id, "2027-01-31 done", "2027-02-28 rejected", "2027-03-31 done")
        assert (await shop.house.settle(payment_id, "partial"))["error_code"] is None


async def test_an_order_that_its_bank_gives_up_fails_the_date_and_the_rest(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        instruction = order(amount=9000)["instructions"][0] | {
            "execution_date_type": "periodic",
            "frequency": "monthly",
            "start_date": "2027-01-31",
        }
        payment_id = int((await shop.house.pay(instructions=[instruction]))["id"])
        await shop.consent(payment_id, bank_id(shop.house, "horizon"))
        await shop.reach("2027-02-04")
        await shop.told(payment_id, "2027-01-31 done")
        await shop.reach("2027-03-04")
        *_, refused = await shop.told(payment_id, "2027-01-31 done", "2027-02-28 rejected")
        assert refused.reason is Reason.INSUFFICIENT_FUNDS
        rejected = await shop.house.settle(payment_id, "rejected")
        assert rejected["error_code"] == "insufficientFunds"
        await shop.reach("2027-06-04")
        await follow_schedules(shop.house.core)
        assert len(await shop.occurrences(payment_id)) == 2


async def test_silence_of_a_bank_that_tells_no_ends_is_accepted(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-29", end="2027-02-28")
        await shop.consent(payment_id, bank_id(shop.house, "brume"))
        await shop.reach("2027-01-29", hour=13)
        await shop.told(payment_id, "2027-01-29 pending")
        await shop.reach("2027-03-04")
        await shop.told(payment_id, "2027-01-29 accepted", "2027-02-28 accepted")
        assert (await shop.house.settle(payment_id, "accepted"))["state"] == "accepted"


async def test_the_merchant_stops_in_the_middle_and_what_was_paid_stays(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await shop.reach("2027-03-04")
        await shop.told(payment_id, "2027-01-31 done", "2027-02-28 done")
        body = {"cancel": True, "client_redirect_uri": "https://shop.test/callback"}
        token = await shop.house.token("payments:cancel")
        stopped = (await shop.house.call("POST", f"/payments/{payment_id}", body, token=token)).json()
        assert (stopped["state"], stopped["error_code"]) == ("rejected", "CancelledByClient")
        await shop.reach("2027-07-04")
        await follow_schedules(shop.house.core)
        await shop.told(payment_id, "2027-01-31 done", "2027-02-28 done")
        assert await executed(shop, "zwin") == ENDS[:2]


async def test_the_payer_stops_at_a_bank_that_wants_their_approval(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "horizon"))
        await shop.reach("2027-02-04")
        standing = await stop_by_payer(shop.house.core, 1, payment_id)
        assert (standing.payment.state, standing.payment.cancelling) == (State.PENDING, True)
        waiting = (await shop.house.call("GET", f"/payments/{payment_id}")).json()
        await shop.approve(waiting["validate_uri"])
        stopped = await shop.house.settle(payment_id, "rejected")
        assert stopped["error_code"] == "CancelledByUser"
        await shop.reach("2027-07-04")
        await shop.told(payment_id, "2027-01-31 done")
        assert await executed(shop, "horizon") == ENDS[:1]


async def test_what_is_stopped_before_its_business_day_is_never_executed(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31")  # a Sunday
        await shop.consent(payment_id, bank_id(shop.house, "zwin"))
        await shop.reach("2027-01-31")
        await shop.told(payment_id, "2027-01-31 pending")
        await stop_by_client(shop.house.core, 1, payment_id)
        (one,) = await shop.told(payment_id, "2027-01-31 rejected")
        assert one.reason is Reason.CANCELLED_BY_CLIENT
        await shop.reach("2027-02-04")
        assert await executed(shop, "zwin") == []


async def test_a_start_that_passed_means_the_day_of_consent(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-04", "weekly")
        await shop.reach("2027-01-13")
        await shop.consent(payment_id)
        await shop.reach("2027-01-21")
        await shop.told(payment_id, "2027-01-13 done", "2027-01-20 done")


async def test_nobody_can_consent_after_the_end(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-05", "daily", "2027-01-07")
        await shop.reach("2027-01-08")
        assert (await shop.house.settle(payment_id, "expired"))["state"] == "expired"


async def test_an_open_end_never_expires_while_it_runs(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-05", "yearly")
        await shop.consent(payment_id)
        await shop.reach("2030-06-01")
        await shop.told(payment_id, *(f"{year}-01-05 done" for year in (2027, 2028, 2029, 2030)))
        assert (await shop.house.call("GET", f"/payments/{payment_id}")).json()["state"] == "pending"


async def test_dates_of_which_a_dead_bank_tells_nothing_expire(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        payment_id = await shop.agree("2027-01-31", end="2027-01-31")
        await shop.consent(payment_id, bank_id(shop.house, "horizon"))
        body = {"code": "horizon", "health": "down"}
        await shop.house.http.post(f"{shop.house.base_url}/sandbox/control/health", json=body)
        await shop.reach("2027-02-01")
        await shop.told(payment_id, "2027-01-31 pending")
        await shop.reach("2027-03-04")
        await shop.told(payment_id, "2027-01-31 expired")
        assert (await shop.house.settle(payment_id, "expired"))["state"] == "expired"


async def test_stopping_while_dates_fall_due_leaves_none_open(opened: Open) -> None:
    async with opened("2027-01-04") as shop:
        core = shop.house.core
        payment_id = await shop.agree("2027-01-05", "daily")
        await shop.consent(payment_id)
        await shop.reach("2027-04-20")
        followers = [asyncio.create_task(follow_schedules(core)) for _ in range(4)]
        await stop_by_client(core, 1, payment_id)
        await asyncio.gather(*followers)
        stopped = await shop.occurrences(payment_id)
        assert {one.state for one in stopped} <= {State.DONE, State.ACCEPTED}
        await shop.reach("2027-05-20")
        await follow_schedules(core)
        assert await shop.occurrences(payment_id) == stopped
