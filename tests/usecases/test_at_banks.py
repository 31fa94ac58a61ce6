"""The same promises at real sandbox banks over HTTP, held against what the banks themselves say."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opengiro.connectors import HttpLine
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.attempt import Phase
from opengiro.domain.banks import Decoupled, Redirect, Reply
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Execution, Payment, Reason
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases import Standing
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.return_from_bank import return_from_bank
from tests.sandbox.tpp import Bank, Payer
from tests.usecases.test_choosing import refused
from tests.usecases.world import World


def sandbox_bank(town: World, code: str) -> Bank:
    assert town.sandbox is not None
    return town.sandbox.bank(code)


def payer_of(town: World, standing: Standing, code: str) -> Payer:
    """The payer whom the bank sent its link."""
    assert standing.attempt is not None
    assert isinstance(standing.attempt.action, Redirect)
    return Payer(sandbox_bank(town, code), standing.attempt.action.url)


async def approve(
    town: World, standing: Standing, code: str, decision: str = "approve", account: str = "everyday"
) -> Standing:
    """Go through the bank's pages and come back by the link the bank gives."""
    payer = payer_of(town, standing, code)
    back = await asyncio.to_thread(payer.go_through, decision, account)
    return await return_from_bank(town.core, back.rpartition("/")[2].partition("?")[0], {})


async def executable(town: World, payment: Payment, code: str) -> list[dict[str, Any]]:
    """What the bank was asked to pay for this payment."""
    references = {one.reference_id for one in payment.instructions}
    return [line for line in await town.ledger(code) if line["end_to_end_id"] in references]


async def test_a_payer_approves_and_the_bank_pays_exactly_what_was_agreed(town: World) -> None:
    payment = await town.pay()
    standing = await approve(town, await town.choose(payment, town.bank("horizon")), "horizon")
    assert standing.payment.state is State.DONE
    (line,) = await executable(town, payment, "horizon")
    (one,) = payment.instructions
    assert (line["amount"], line["currency"]) == (one.amount.text(), one.amount.currency)
    assert (line["creditor_iban"], line["debited"]) == (one.payee.identification, "50.90")


@pytest.mark.parametrize(
    ("decision", "account", "reason"),
    [
        ("refuse", "everyday", Reason.CANCELLED_BY_PAYER),
        ("approve", "nearly_empty", Reason.INSUFFICIENT_FUNDS),
        ("approve", "blocked", Reason.INVALID_EMITTER),
    ],
)
async def test_what_goes_wrong_at_the_bank_rejects_with_its_reason(
    town: World, decision: str, account: str, reason: Reason
) -> None:
    payment = await town.pay()
    chosen = await town.choose(payment, town.bank("horizon"))
    standing = await approve(town, chosen, "horizon", decision, account)
    assert (standing.payment.state, standing.payment.reason) == (State.REJECTED, reason)
    (line,) = await executable(town, payment, "horizon")
    assert line["debited"] == "0.00"


async def test_fifty_confirmations_at_once_leave_one_initiation_in_the_banks_own_ledger(town: World) -> None:
    payment = await town.pay()
    await asyncio.gather(*(town.choose(payment, town.bank("horizon")) for _ in range(50)))
    assert len(await executable(town, payment, "horizon")) == 1


async def test_confirmations_at_several_banks_at_once_leave_one_initiation_in_all_ledgers(town: World) -> None:
    payment = await town.pay()
    codes = ("horizon", "mercure", "brume", "zwin")
    clicks = [town.choose(payment, town.bank(code), switch=True) for code in codes * 3]
    await asyncio.gather(*clicks, return_exceptions=True)
    for code in codes:
        for line in await executable(town, payment, code):
            ended = line["status"] in {"CANC", "RJCT"}
            assert ended or (await town.attempt(payment)).bank_payment_id == line["payment_id"]


async def test_a_payer_who_switches_leaves_nothing_to_approve_at_the_first_bank(town: World) -> None:
    payment = await town.pay()
    first = await town.choose(payment, town.bank("horizon"))
    second = await town.choose(payment, town.bank("zwin"), switch=True)
    (line,) = await executable(town, payment, "horizon")
    assert line["status"] == "CANC"
    old, new = payer_of(town, first, "horizon"), payer_of(town, second, "zwin")
    assert "<form" not in (await asyncio.to_thread(old.get)).text
    assert "<form" in (await asyncio.to_thread(new.get)).text
    assert (await approve(town, second, "zwin")).payment.state is State.DONE


async def test_a_bank_that_cannot_cancel_lets_no_other_start(town: World) -> None:
    payment = await town.pay()
    await town.choose(payment, town.bank("brume"))
    assert await refused(town.choose(payment, town.bank("horizon"), switch=True)) is Refusal.ATTEMPT_LIVE
    assert await executable(town, payment, "horizon") == []


async def test_a_bank_that_is_down_leaves_a_hosted_payment_choosable(town: World) -> None:
    payment = await town.pay()
    with pytest.raises(Refused) as found:
        await town.choose(payment, town.bank("orage"), keep_open=True)
    assert found.value.why in {Refusal.BANK_UNAVAILABLE, Refusal.BANK_DECLINED}
    standing = await approve(town, await town.choose(payment, town.bank("horizon"), keep_open=True), "horizon")
    assert standing.payment.state is State.DONE


async def test_a_bank_that_is_down_rejects_on_the_wire(town: World) -> None:
    standing = await town.choose(await town.pay(), town.bank("orage"))
    assert (standing.payment.state, standing.payment.reason) == (State.REJECTED, Reason.BANK_UNAVAILABLE)


async def test_a_phone_approves_without_any_return(town: World) -> None:
    payment = await town.pay()
    standing = await town.choose(payment, town.bank("mercure"))
    assert standing.attempt is not None
    assert isinstance(standing.attempt.action, Decoupled)
    for _ in range(30):
        await town.later(seconds=1)
    assert await town.state(payment) is State.DONE


async def test_a_bank_that_never_reports_the_end_leads_to_accepted(town: World) -> None:
    payment = await town.pay()
    standing = await approve(town, await town.choose(payment, town.bank("brume")), "brume")
    assert standing.payment.state is State.PENDING
    await town.later(minutes=7)
    await town.later(minutes=7)
    assert await town.story(payment) == "created validating pending accepted"


async def test_a_transfer_of_the_next_day_goes_through_pending(town: World) -> None:
    payment = await town.pay(Execution.FIRST_OPEN_DAY)
    standing = await approve(town, await town.choose(payment, town.bank("polder")), "polder")
    assert standing.payment.state is State.PENDING
    for _ in range(6):
        await town.later(minutes=5)
    assert await town.story(payment) == "created validating pending done"


async def test_a_bank_that_needs_the_payers_account_gets_it(town: World) -> None:
    payment = await town.pay()
    assert await refused(town.choose(payment, town.bank("nordlicht"))) is Refusal.PAYER_ACCOUNT_REQUIRED
    payer = Account(Scheme.IBAN, "DE77200995000142961871", "")
    standing = await town.choose(payment, town.bank("nordlicht"), payer=payer)
    assert (await approve(town, standing, "nordlicht")).payment.state is State.DONE


async def test_an_account_of_another_bank_lets_the_payer_try_again(town: World) -> None:
    payment = await town.pay()
    stranger = Account(Scheme.IBAN, "FR7640973001120142867615736", "")
    choose = town.choose(payment, town.bank("nordlicht"), payer=stranger, keep_open=True)
    assert await refused(choose) is Refusal.BANK_DECLINED
    assert await town.state(payment) is State.CREATED


async def test_a_payer_who_never_comes_is_refused_by_the_bank_after_its_links_life(town: World) -> None:
    payment = await town.pay()
    await town.choose(payment, town.bank("horizon"))
    await town.later(minutes=16)
    assert await town.state(payment) is State.REJECTED
    assert (await town.attempt(payment)).phase is Phase.ENDED


async def test_a_forged_return_before_approval_changes_nothing(town: World) -> None:
    payment = await town.pay()
    standing = await town.choose(payment, town.bank("horizon"))
    assert standing.attempt is not None
    ticket = standing.attempt.return_url.rpartition("/")[2]
    returned = await return_from_bank(town.core, ticket, {"status": "ACSC", "error": ""})
    assert returned.payment.state is State.VALIDATING


async def test_money_that_moved_before_a_restart_is_found_after_it(town: World) -> None:
    payment = await town.pay()
    standing = await town.choose(payment, town.bank("horizon"))
    await asyncio.to_thread(payer_of(town, standing, "horizon").go_through, "approve")
    assert await town.state(payment) is State.VALIDATING
    await town.later(seconds=1)
    assert await town.state(payment) is State.DONE


class Impatient(HttpLine):
    """The way to the banks with less patience than anybody has in earnest."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        return await super().send(method, url, headers, body, min(timeout_s, 0.5))


async def test_an_answer_that_takes_too_long_is_unknown_and_the_bank_holds_one_order(town: World) -> None:
    payment = await town.pay()
    async with Impatient() as line:
        town.core = replace(town.core, line=line)
        standing = await town.choose(payment, town.bank("sol"))
        assert standing.attempt is not None
        assert (standing.payment.state, standing.attempt.phase) == (State.VALIDATING, Phase.UNKNOWN)
        for _ in range(3):
            await town.later(minutes=5)
            await town.choose(payment, town.bank("sol"))
        assert await refused(town.choose(payment, town.bank("horizon"), switch=True)) is Refusal.ATTEMPT_LIVE
        assert len(await executable(town, payment, "sol")) == 1


async def test_a_caller_that_dies_while_a_bank_is_slow_leaves_one_order_there(town: World) -> None:
    payment = await town.pay()
    impatient = asyncio.create_task(town.choose(payment, town.bank("sol")))
    await asyncio.sleep(0.5)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    await town.later(minutes=3)
    assert (await town.attempt(payment)).phase is Phase.UNKNOWN
    for _ in range(3):
        await town.choose(payment, town.bank("sol"))
    assert await refused(town.choose(payment, town.bank("horizon"), switch=True)) is Refusal.ATTEMPT_LIVE
    assert len(await executable(town, payment, "sol")) == 1
    await ask_bank(town.core, payment.merchant_id, payment.payment_id)
    assert await town.story(payment) == "created"
