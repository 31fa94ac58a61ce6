"""Standing orders: at the sandbox banks over real HTTP, held against the official file, and at the test bank."""

from datetime import date, timedelta

import pytest

from opengiro.connectors.berlin_group import CONNECTOR as BERLIN_GROUP
from opengiro.connectors.test_bank import CONNECTOR as TEST_BANK
from opengiro.domain.banks import Cancelled, Heard, Order, Redirect
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from tests.connectors.errands import NOON, after, errand, order
from tests.connectors.test_berlin_group_banks import Counter, counter

__all__ = ["counter"]
START = NOON.date()


def standing(frequency: Frequency = Frequency.MONTHLY, end: date | None = None, **changes: object) -> Order:
    return order(execution=Execution.PERIODIC, recurrence=Recurrence(frequency, START, end), **changes)


@pytest.mark.parametrize("frequency", Frequency)
async def test_a_bank_takes_every_frequency(counter: Counter, frequency: Frequency) -> None:
    waiting, first = await counter.start("horizon", standing(frequency))
    assert (first.said, first.trigger) == ("RCVD", None)
    counter.pay("horizon", first)
    heard = await counter.ask(waiting)
    assert (heard.said, heard.sca, heard.trigger, heard.executed) == ("ACTC", "finalised", Trigger.BANK_ACCEPTED, {})
    (line,) = counter.sandbox.bank("horizon").ledger()
    assert line["standing"]["start"] == START.isoformat()


@pytest.mark.parametrize("frequency", Frequency)
async def test_the_bank_executes_the_dates_that_we_count(counter: Counter, frequency: Frequency) -> None:
    _, first = await counter.start("horizon", standing(frequency))
    counter.pay("horizon", first)
    counter.sandbox.clock.forward(days=1100)
    executed = [date.fromisoformat(due) for due, _ in counter.sandbox.bank("horizon").executions()]
    ours = [Recurrence(frequency, START).date_of(ordinal + 1) for ordinal in range(len(executed))]
    # Only money ends them: an everyday account has enough for 245 dates.
    assert executed == ours
    assert len(executed) >= 3


async def test_an_order_is_active_until_its_last_date(counter: Counter) -> None:
    waiting, first = await counter.start("zwin", standing(end=date(2027, 1, 31)))
    counter.pay("zwin", first)
    said = [(await counter.ask(waiting, days=days)).said for days in (0, 31, 35)]
    assert said == ["ACTC", "ACTC", "ACSC"]


async def test_an_order_whose_date_was_refused_is_told_with_its_reason(counter: Counter) -> None:
    dear = standing(amount=Money(9000_00, "EUR"))
    waiting, first = await counter.start("horizon", dear)
    counter.pay("horizon", first)
    heard = await counter.ask(waiting, days=62)
    assert (heard.said, heard.trigger, heard.reason) == ("RJCT", Trigger.BANK_REJECTED, Reason.INSUFFICIENT_FUNDS)


async def test_an_order_is_stopped_at_once_where_the_bank_allows_it(counter: Counter) -> None:
    waiting, first = await counter.start("zwin", standing())
    counter.pay("zwin", first)
    assert await counter.cancel(waiting) == (Cancelled.AT_ONCE, None)
    heard = await counter.ask(waiting)
    assert (heard.said, heard.trigger, heard.reason) == ("CANC", Trigger.BANK_REJECTED, Reason.CANCELLED_BY_PAYER)


async def test_an_order_is_stopped_by_its_payer_elsewhere(counter: Counter) -> None:
    waiting, first = await counter.start("horizon", standing())
    counter.pay("horizon", first)
    outcome, url = await counter.cancel(waiting)
    assert outcome is Cancelled.PAYER_MUST_APPROVE
    assert url
    counter.decide("horizon", url, "approve")
    assert (await counter.ask(waiting)).said == "CANC"


async def test_a_bank_that_starts_the_approval_on_demand_takes_orders_too(counter: Counter) -> None:
    waiting, first = await counter.start("laguna", standing())
    counter.pay("laguna", first)
    assert (await counter.ask(waiting)).trigger is Trigger.BANK_ACCEPTED


async def played(label: str, *, days: int, scene: str = "legacy", end: date | None = None) -> Heard:
    """What the test bank says of an order after so many days."""
    begun = errand(standing(Frequency.WEEKLY, end, label=label), connector="test_bank", fields={"use_case_pay": scene})
    first = await TEST_BANK.initiate(None, begun)  # type: ignore[arg-type]
    return await TEST_BANK.observe(None, after(begun, first, days=days))  # type: ignore[arg-type]


async def test_the_test_bank_tells_of_every_date() -> None:
    heard = await played("Order 1", days=15)
    assert (heard.said, heard.trigger) == ("pdng", Trigger.BANK_ACCEPTED)
    assert heard.executed == {START + timedelta(days=days): None for days in (0, 7, 14)}


async def test_each_word_of_a_label_ends_one_date_at_the_test_bank() -> None:
    heard = await played("done/rjct/err - rent", days=30)
    assert list(heard.executed.values()) == [None, Reason.NOT_SPECIFIED, Reason.INVALID_AMOUNT, None, None]


async def test_the_test_bank_executes_nothing_beyond_the_end() -> None:
    heard = await played("rent", days=30, end=START + timedelta(days=8))
    assert list(heard.executed) == [START, START + timedelta(days=7)]


async def test_the_test_bank_executes_nothing_its_payer_did_not_approve() -> None:
    heard = await played("rent", days=0, scene="redirect")
    assert isinstance(heard.action, Redirect)
    assert (heard.trigger, heard.executed) == (None, {})


async def test_an_approved_order_stands_at_the_test_bank_whatever_the_scene() -> None:
    assert (await played("rent", days=1, scene="decoupled")).trigger is Trigger.BANK_ACCEPTED
    assert (await played("rent", days=1, scene="decoupled_cancelled")).trigger is Trigger.BANK_REJECTED


def test_both_connectors_can_stop_what_they_take() -> None:
    assert BERLIN_GROUP.cancel
    assert TEST_BANK.cancel
