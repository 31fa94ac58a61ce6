"""The connector at the sandbox banks, over real HTTP, both sides of every exchange held against the official file."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta

import pytest

from opengiro.connectors.berlin_group import CONNECTOR
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import (
    BankTrouble,
    Cancelled,
    Decoupled,
    Errand,
    Heard,
    Moved,
    Order,
    Redirect,
)
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Execution, Reason
from tests.connectors.conformance import Impatient, NetworkConformance, Stage
from tests.connectors.errands import after, deferred, errand, order
from tests.connectors.official import JudgedLine, Official
from tests.connectors.scripted_bank import ScriptedBank, say, scripted_bank
from tests.sandbox.tpp import Payer, Sandbox

STANDARD = order(execution=Execution.FIRST_OPEN_DAY)


class Counter:
    """The connector at one sandbox bank, sharing the bank's clock."""

    def __init__(self, sandbox: Sandbox, line: JudgedLine) -> None:
        self.sandbox = sandbox
        self.line = line

    def errand(self, code: str, *orders: Order, decoupled: bool = False) -> Errand:
        base_url = f"{self.sandbox.base_url}/{code}"
        now = self.sandbox.clock.at
        return errand(*orders, base_url=base_url, decoupled=decoupled, started_at=now, now=now)

    async def start(self, code: str, *orders: Order, decoupled: bool = False) -> tuple[Errand, Heard]:
        begun = self.errand(code, *orders, decoupled=decoupled)
        heard = await CONNECTOR.initiate(self.line, begun)
        return after(begun, heard), heard

    async def ask(self, waiting: Errand, **passed: int) -> Heard:
        self.sandbox.clock.forward(**passed)
        return await CONNECTOR.observe(self.line, replace(waiting, now=self.sandbox.clock.at))

    async def cancel(self, waiting: Errand) -> tuple[Cancelled, str | None]:
        assert CONNECTOR.cancel
        answer = await CONNECTOR.cancel(self.line, waiting)
        return answer.outcome, answer.url

    def decide(self, code: str, url: str, decision: str, account: str = "everyday") -> str:
        return Payer(self.sandbox.bank(code), url).go_through(decision, account)

    def pay(self, code: str, heard: Heard, decision: str = "approve", account: str = "everyday") -> str:
        assert isinstance(heard.action, Redirect)
        return self.decide(code, heard.action.url, decision, account)


@pytest.fixture
async def counter(sandbox: Sandbox, judge: Official | None) -> AsyncIterator[Counter]:
    async with JudgedLine(judge) as line:
        yield Counter(sandbox, line)


@pytest.mark.parametrize("code", ["horizon", "zwin", "laguna"])
async def test_an_instant_payment_is_settled_once_the_payer_approved(counter: Counter, code: str) -> None:
    waiting, first = await counter.start(code)
    assert (first.said, first.trigger) == ("RCVD", None)
    assert counter.pay(code, first).startswith("https://pay.example/return/")
    heard = await counter.ask(waiting)
    assert (heard.said, heard.sca, heard.trigger, heard.action) == (
        "ACSC",
        "finalised",
        Trigger.BANK_SETTLED,
        None,
    )


async def test_a_standard_transfer_is_accepted_and_then_settled(counter: Counter) -> None:
    waiting, first = await counter.start("horizon", STANDARD)
    counter.pay("horizon", first)
    seen = [await counter.ask(waiting, seconds=step) for step in (0, 3, 17)]
    assert [(heard.said, heard.trigger) for heard in seen] == [
        ("ACTC", Trigger.BANK_ACCEPTED),
        ("ACSP", Trigger.BANK_ACCEPTED),
        ("ACSC", Trigger.BANK_SETTLED),
    ]


async def test_an_approval_that_is_final_is_not_asked_for_again(counter: Counter) -> None:
    waiting, first = await counter.start("horizon", STANDARD)
    counter.pay("horizon", first)
    heard = await counter.ask(waiting)
    counter.line.asked.clear()
    await counter.ask(after(waiting, heard))
    assert [path.rsplit("/", 1)[-1] for _, path in counter.line.asked] == ["status"]


async def test_a_payer_who_refuses_has_cancelled(counter: Counter) -> None:
    waiting, first = await counter.start("horizon")
    counter.pay("horizon", first, "refuse")
    heard = await counter.ask(waiting)
    assert (heard.trigger, heard.reason) == (Trigger.BANK_REJECTED, Reason.CANCELLED_BY_PAYER)
    assert heard.message


async def test_an_account_without_funds_says_so(counter: Counter) -> None:
    waiting, first = await counter.start("horizon")
    counter.pay("horizon", first, account="nearly_empty")
    heard = await counter.ask(waiting)
    assert (heard.said, heard.trigger, heard.reason) == (
        "RJCT",
        Trigger.BANK_REJECTED,
        Reason.INSUFFICIENT_FUNDS,
    )


async def test_a_blocked_account_is_the_payers(counter: Counter) -> None:
    waiting, first = await counter.start("horizon")
    counter.pay("horizon", first, account="blocked")
    heard = await counter.ask(waiting)
    assert (heard.trigger, heard.reason) == (Trigger.BANK_REJECTED, Reason.INVALID_EMITTER)


async def test_a_link_that_ran_out_is_a_failed_approval(counter: Counter) -> None:
    waiting, _ = await counter.start("horizon")
    heard = await counter.ask(waiting, minutes=15)
    assert (heard.trigger, heard.reason) == (Trigger.BANK_REJECTED, Reason.AUTHENTICATION_FAILED)


async def test_a_payer_with_a_phone_is_sent_nowhere(counter: Counter) -> None:
    waiting, first = await counter.start("mercure", decoupled=True)
    assert isinstance(first.action, Decoupled)
    assert first.action.message
    assert (await counter.ask(waiting)).action == first.action
    assert (await counter.ask(waiting, seconds=12)).trigger is Trigger.BANK_SETTLED


async def test_a_bank_that_never_reports_the_end_stays_accepted(counter: Counter) -> None:
    waiting, first = await counter.start("brume")
    counter.pay("brume", first)
    heard = await counter.ask(waiting, days=40)
    assert (heard.said, heard.trigger) == ("ACSP", Trigger.BANK_ACCEPTED)


async def test_a_bank_that_is_down_was_sent_nothing_and_names_a_time(counter: Counter) -> None:
    with pytest.raises(BankTrouble) as caught:
        await counter.start("orage")
    told = caught.value
    assert (told.money, told.permanent, told.reason) == (Moved.NOT_SENT, False, Reason.BANK_UNAVAILABLE)
    assert told.retry_after == timedelta(seconds=30)


async def test_an_order_taken_in_silence_is_unknown_and_sent_once(counter: Counter) -> None:
    async with Impatient() as line:
        with pytest.raises(BankTrouble) as caught:
            await CONNECTOR.initiate(line, counter.errand("sol"))
    assert caught.value.money is Moved.UNKNOWN
    (taken,) = counter.sandbox.bank("sol").ledger()
    assert taken["end_to_end_id"] == "ORDER-1001"


async def test_a_bank_that_needs_the_payers_account_says_so(counter: Counter) -> None:
    with pytest.raises(BankTrouble) as caught:
        await counter.start("nordlicht")
    assert (caught.value.money, caught.value.reason) == (Moved.REFUSED, Reason.INVALID_EMITTER)
    payer = Account(Scheme.IBAN, counter.sandbox.bank("nordlicht").ibans()["everyday"], "Pat Payer")
    _, first = await counter.start("nordlicht", order(payer=payer))
    assert isinstance(first.action, Redirect)


async def test_a_product_the_bank_does_not_have_is_refused(counter: Counter) -> None:
    with pytest.raises(BankTrouble) as caught:
        await counter.start("polder")
    assert caught.value.money is Moved.REFUSED
    assert "PRODUCT_UNKNOWN" in caught.value.said


async def test_what_the_bank_carries_is_what_the_payer_was_shown(counter: Counter) -> None:
    await counter.start("horizon", order(label="Commande n° 42 – merci", reference_id="/ORDER//42/"))
    (line,) = counter.sandbox.bank("horizon").ledger()
    assert (line["end_to_end_id"], line["amount"]) == ("ORDER/42", "50.90")


async def test_a_deferred_payment_waits_for_its_day(counter: Counter) -> None:
    waiting, first = await counter.start("horizon", deferred(date(2026, 12, 1)))
    counter.pay("horizon", first)
    heard = await counter.ask(waiting)
    assert (heard.said, heard.trigger) == ("ACTC", Trigger.BANK_ACCEPTED)
    assert (await counter.ask(waiting, days=13)).trigger is Trigger.BANK_SETTLED


async def test_a_day_in_the_past_is_refused(counter: Counter) -> None:
    with pytest.raises(BankTrouble) as caught:
        await counter.start("horizon", deferred(date(2026, 11, 17)))
    assert (caught.value.money, caught.value.reason) == (Moved.REFUSED, Reason.INVALID_DATE)


async def test_what_nobody_approved_is_cancelled_at_once(counter: Counter) -> None:
    waiting, _ = await counter.start("horizon")
    assert await counter.cancel(waiting) == (Cancelled.AT_ONCE, None)
    heard = await counter.ask(waiting)
    assert (heard.said, heard.trigger, heard.reason) == (
        "CANC",
        Trigger.BANK_REJECTED,
        Reason.CANCELLED_BY_PAYER,
    )


async def test_an_approved_deferred_payment_is_cancelled_by_the_payer(counter: Counter) -> None:
    waiting, first = await counter.start("horizon", deferred(date(2026, 12, 1)))
    counter.pay("horizon", first)
    outcome, url = await counter.cancel(waiting)
    assert outcome is Cancelled.PAYER_MUST_APPROVE
    assert (await counter.ask(waiting)).trigger is Trigger.BANK_ACCEPTED
    payer = Payer(counter.sandbox.bank("horizon"), url or "")
    payer.log_in()
    payer.decide("approve")
    assert (await counter.ask(waiting)).said == "CANC"


async def test_what_is_settled_cannot_be_cancelled(counter: Counter) -> None:
    waiting, first = await counter.start("horizon")
    counter.pay("horizon", first)
    assert await counter.cancel(waiting) == (Cancelled.REFUSED, None)


async def test_a_bank_that_does_not_cancel_says_so(counter: Counter) -> None:
    waiting, _ = await counter.start("mercure", decoupled=True)
    assert await counter.cancel(waiting) == (Cancelled.REFUSED, None)


class BerlinGroupStage(Stage):
    """The sandbox bank for what a payer does; a scripted bank for statuses no story leads to."""

    connector = CONNECTOR

    def __init__(self, counter: Counter, scripted: ScriptedBank) -> None:
        self.counter = counter
        self.line = counter.line
        self.scripted = scripted

    def fresh(self) -> Errand:
        return self.counter.errand("horizon")

    async def says(self, status: str) -> Errand:
        waiting = await self.waiting()
        self.scripted.script.clear()
        self.scripted.will(*(self._answers(status) * 20))
        at_script = replace(waiting.bank, base_url=self.scripted.url)
        return replace(waiting, bank=at_script, memory='{"product":"instant-sepa-credit-transfers","sca":"finalised"}')

    def _answers(self, status: str) -> list[Callable[..., Awaitable[None]]]:
        return [say(200, {"transactionStatus": status}, Content_Type="application/json", X_Request_ID=REQUEST_ID)]

    @property
    def plays(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"cancel": self._cancel, "answer": self._answer}

    async def _cancel(self) -> None:
        assert await self.counter.cancel(await self.waiting()) == (Cancelled.AT_ONCE, None)

    async def _answer(self) -> None:
        # The stories of a bank that wants the payer's user name are told with the scripted bank's other faults.
        assert CONNECTOR.answer
        waiting = await self.waiting()
        heard = await CONNECTOR.answer(self.line, waiting, {})
        assert heard == await CONNECTOR.observe(self.line, waiting)


REQUEST_ID = "0d6a5a3b-4c5e-4f3d-9f0e-3d1a7d0c9b11"


class TestConformance(NetworkConformance):
    """The suite every connector passes."""

    @pytest.fixture
    async def stage(self, counter: Counter) -> AsyncIterator[Stage]:
        async with scripted_bank() as scripted:
            yield BerlinGroupStage(counter, scripted)
