"""A payer chooses a bank: one attempt, committed before a byte leaves, and never a second one that could also pay."""

import asyncio
from dataclasses import replace

import pytest

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.attempt import Phase
from opengiro.domain.banks import BankTrouble, Moved, Need, Redirect
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases import Standing
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.cancel_payment import cancel_by_client
from opengiro.usecases.preset_bank import preset_bank
from tests.usecases.world import (
    ACCEPTED,
    GONE,
    KEPT,
    NOT_SENT,
    OTHER,
    PHONE,
    REFUSED,
    REJECTED,
    SCRIPTED,
    SETTLED,
    UNKNOWN,
    World,
    choice,
    says,
    waits,
)

PAGE = Redirect("https://bank.test/sca/1")


async def refused(call: object) -> Refusal:
    with pytest.raises(Refused) as found:
        await call  # type: ignore[misc]
    return found.value.why


async def test_the_attempt_is_committed_before_the_bank_is_called(world: World) -> None:
    payment = await world.pay()
    seen: list[Standing] = []

    async def look_into_the_database() -> None:
        seen.append(await world.now(payment))

    world.script.meanwhile["initiate"] = look_into_the_database
    await world.choose(payment)
    ((_, errand),) = world.script.calls
    (standing,) = seen
    assert standing.attempt is not None
    assert (standing.attempt.phase, standing.attempt.request_id) == (Phase.INITIATING, errand.request_id)
    assert standing.payment.bank_id == SCRIPTED


@pytest.mark.parametrize(
    ("said", "story", "phase"),
    [
        (waits(PAGE), "created validating", Phase.LIVE),
        (says(None, "a new word", known=False), "created validating", Phase.LIVE),
        (ACCEPTED, "created validating pending", Phase.LIVE),
        (SETTLED, "created validating done", Phase.ENDED),
        (REJECTED, "created rejected", Phase.ENDED),
        (says(Trigger.BANK_SETTLED_PARTLY), "created validating partial", Phase.ENDED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_bank_answers_becomes_moves(world: World, said: object, story: str, phase: Phase) -> None:
    world.script.initiate = [said]  # type: ignore[list-item]
    payment = await world.paying()
    assert await world.story(payment) == story
    assert (await world.attempt(payment)).phase is phase
    assert payment == (await world.now(payment)).payment


async def test_a_second_click_gets_the_attempt_that_runs_and_sends_nothing(world: World) -> None:
    world.script.initiate = [waits(PAGE)]
    payment = await world.pay()
    first, second = await world.choose(payment), await world.choose(payment)
    assert first.attempt == second.attempt
    assert second.attempt is not None
    assert second.attempt.action == PAGE
    assert world.script.count("initiate") == 1


async def test_a_second_click_during_the_first_sends_nothing(world: World) -> None:
    payment = await world.pay()
    seen: list[Standing] = []

    async def click_again() -> None:
        seen.append(await world.choose(payment))

    world.script.meanwhile["initiate"] = click_again
    first = await world.choose(payment)
    assert first.attempt is not None
    assert seen[0].attempt is not None
    assert seen[0].attempt.request_id == first.attempt.request_id
    assert world.script.count("initiate") == 1


async def test_fifty_confirmations_at_once_make_one_initiation(world: World) -> None:
    payment = await world.pay()
    standings = await asyncio.gather(*(world.choose(payment) for _ in range(50)))
    assert len({one.attempt.request_id for one in standings if one.attempt}) == 1
    assert world.script.count("initiate") == 1


async def test_of_choices_of_two_banks_at_once_one_wins(world: World) -> None:
    payment = await world.pay()
    both = [world.choose(payment, bank) for bank in (SCRIPTED, OTHER) * 10]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert {one.why for one in results if isinstance(one, Refused)} == {Refusal.ATTEMPT_LIVE}
    assert world.script.count("initiate") == 1


async def test_a_lost_answer_is_never_sent_again(world: World) -> None:
    world.script.initiate = [UNKNOWN, waits()]
    payment = await world.paying()
    attempt = await world.attempt(payment)
    assert (await world.story(payment), attempt.phase) == ("created validating", Phase.UNKNOWN)
    for _ in range(15):
        await world.later(minutes=1)
        await world.choose(payment)
    assert world.script.count("initiate") == 1
    assert await refused(world.choose(payment, OTHER)) is Refusal.ATTEMPT_LIVE
    assert await refused(world.choose(payment, OTHER, switch=True)) is Refusal.ATTEMPT_LIVE


async def test_a_lost_answer_frees_the_payment_once_nobody_can_approve_it_any_more(world: World) -> None:
    world.script.initiate = [UNKNOWN, SETTLED]
    payment = await world.paying()
    await world.later(minutes=19, seconds=59)
    assert (await world.attempt(payment)).phase is Phase.UNKNOWN
    await world.later(seconds=1)
    assert (await world.attempt(payment)).phase is Phase.ENDED
    assert (await world.choose(payment, OTHER)).payment.state is State.DONE


async def test_a_lost_answer_of_a_bank_that_wakes_phones_never_frees_the_payment(world: World) -> None:
    world.script.initiate = [UNKNOWN]
    payment = await world.paying(bank=PHONE)
    for hours in (1, 24, 240):
        await world.later(hours=hours)
        assert (await world.attempt(payment)).phase is Phase.UNKNOWN
        assert await refused(world.choose(payment, OTHER, switch=True)) is Refusal.ATTEMPT_LIVE
    await world.later(days=30)
    assert await world.story(payment) == "created validating expired"
    assert world.script.count("initiate") == 1


async def test_a_caller_that_died_leaves_an_attempt_of_unknown_outcome(world: World) -> None:
    payment = await world.pay()

    async def die() -> None:
        raise asyncio.CancelledError

    world.script.meanwhile["initiate"] = die
    with pytest.raises(asyncio.CancelledError):
        await world.choose(payment)
    assert (await world.attempt(payment)).phase is Phase.INITIATING
    await world.later(seconds=59)
    assert (await world.choose(payment)).attempt == await world.attempt(payment)
    await world.later(minutes=2)
    assert (await world.attempt(payment)).phase is Phase.UNKNOWN
    await world.later(minutes=18)
    assert (await world.attempt(payment)).phase is Phase.ENDED
    assert world.script.count("initiate") == 1
    await world.choose(payment)
    assert world.script.count("initiate") == 2


@pytest.mark.parametrize(
    ("trouble", "why", "reason"),
    [
        (NOT_SENT, Refusal.BANK_UNAVAILABLE, Reason.BANK_UNAVAILABLE),
        (
            BankTrouble("account", permanent=True, money=Moved.REFUSED, reason=Reason.INVALID_EMITTER),
            Refusal.BANK_DECLINED,
            Reason.INVALID_EMITTER,
        ),
    ],
)
async def test_trouble_the_payer_can_mend_keeps_a_hosted_payment_open_and_rejects_one_on_the_wire(
    world: World, trouble: BankTrouble, why: Refusal, reason: Reason
) -> None:
    world.script.initiate = [trouble, trouble, SETTLED]
    hosted, wired = await world.pay(), await world.pay()
    assert await refused(world.choose(hosted, keep_open=True)) is why
    assert await world.story(hosted) == "created"
    on_wire = await world.choose(wired)
    assert (on_wire.payment.state, on_wire.payment.reason) == (State.REJECTED, reason)
    assert (await world.choose(hosted, OTHER, keep_open=True)).payment.state is State.DONE


async def test_a_refusal_by_the_bank_rejects_hosted_payments_too(world: World) -> None:
    world.script.initiate = [REFUSED]
    payment = await world.pay()
    standing = await world.choose(payment, keep_open=True)
    assert (standing.payment.state, standing.payment.reason) == (State.REJECTED, Reason.NOT_SPECIFIED)


@pytest.mark.parametrize("trouble", [NOT_SENT, REFUSED, UNKNOWN], ids=lambda one: str(one.money))
async def test_trouble_counts_though_somebody_asked_about_the_payment_meanwhile(
    world: World, trouble: BankTrouble
) -> None:
    world.script.initiate = [trouble]
    payment = await world.pay()

    async def ask() -> None:
        world.time.forward(minutes=2)
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["initiate"] = ask
    standing = await world.choose(payment)
    assert standing == await world.now(payment)
    assert standing.payment.state is (State.VALIDATING if trouble is UNKNOWN else State.REJECTED)


async def test_an_answer_counts_though_somebody_asked_about_the_payment_meanwhile(world: World) -> None:
    world.script.initiate = [waits(PAGE)]
    payment = await world.pay()

    async def ask() -> None:
        world.time.forward(minutes=2)
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["initiate"] = ask
    standing = await world.choose(payment)
    assert standing.attempt is not None
    assert (standing.attempt.phase, standing.attempt.bank_payment_id) == (Phase.LIVE, "at-bank")
    assert standing.attempt.action == PAGE


async def test_another_bank_is_refused_while_the_first_may_pay(world: World) -> None:
    payment = await world.paying()
    assert await refused(world.choose(payment, OTHER)) is Refusal.ATTEMPT_LIVE
    assert await refused(world.choose(await world.paying(), "nobody")) is Refusal.BANK_UNKNOWN
    assert [slot for slot, _ in world.script.calls] == ["initiate", "initiate"]


async def test_switching_withdraws_the_first_attempt_before_the_second_starts(world: World) -> None:
    payment = await world.paying()
    standing = await world.choose(payment, OTHER, switch=True)
    assert [slot for slot, _ in world.script.calls] == ["initiate", "cancel", "initiate"]
    assert standing.attempt is not None
    assert (standing.attempt.ordinal, standing.attempt.bank_id) == (2, OTHER)
    assert await world.story(payment) == "created validating"


@pytest.mark.parametrize("answer", [KEPT, NOT_SENT, UNKNOWN], ids=["refused", "not sent", "unknown"])
async def test_switching_is_refused_when_the_first_bank_does_not_let_go(world: World, answer: object) -> None:
    world.script.cancel = [answer]  # type: ignore[list-item]
    payment = await world.paying()
    assert await refused(world.choose(payment, OTHER, switch=True)) is Refusal.ATTEMPT_LIVE
    assert (await world.attempt(payment)).phase is Phase.LIVE


async def test_no_attempt_starts_on_a_payment_that_ended_while_the_first_bank_let_go(world: World) -> None:
    payment = await world.paying()

    async def reject() -> None:
        world.script.observe = [REJECTED]
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["cancel"] = reject
    assert await refused(world.choose(payment, OTHER, switch=True)) is Refusal.STATE_FORBIDS
    assert await world.state(payment) is State.REJECTED
    assert world.script.count("initiate") == 1


async def test_an_attempt_counts_as_withdrawn_though_something_was_learnt_of_it_meanwhile(world: World) -> None:
    payment = await world.paying()

    async def ask() -> None:
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["cancel"] = ask
    standing = await world.choose(payment, OTHER, switch=True)
    assert standing.attempt is not None
    assert standing.attempt.ordinal == 2


async def test_a_late_answer_about_a_withdrawn_attempt_says_nothing_about_the_next(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [REJECTED]

    async def switch() -> None:
        await world.choose(payment, OTHER, switch=True)

    world.script.meanwhile["observe"] = switch
    standing = await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert standing.payment.state is State.VALIDATING
    attempt = await world.attempt(payment)
    assert (attempt.ordinal, attempt.phase, attempt.said) == (2, Phase.LIVE, "RCVD")


async def test_an_answer_overtaken_by_a_newer_one_takes_nothing_back(world: World) -> None:
    payment = await world.paying()

    async def ask() -> None:
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["observe"] = ask
    world.script.observe = [waits(memory="new"), waits(PAGE, memory="old")]
    await ask()
    attempt = await world.attempt(payment)
    assert world.script.count("observe") == 2
    assert (attempt.memory, attempt.action) == ("new", None)


async def test_an_older_answer_still_counts_when_it_moves_the_payment(world: World) -> None:
    payment = await world.paying()

    async def ask() -> None:
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)

    world.script.meanwhile["observe"] = ask
    world.script.observe = [waits(), SETTLED]
    await ask()
    assert await world.state(payment) is State.DONE


async def test_a_bank_fixed_at_creation_is_the_only_one(world: World) -> None:
    payment = await world.pay(bank_id=SCRIPTED)
    assert await refused(world.choose(payment, OTHER)) is Refusal.BANK_UNSUITABLE
    assert (await world.choose(payment)).payment.state is State.VALIDATING


async def test_a_bank_that_needs_the_payers_account_is_not_called_without(world: World) -> None:
    banks = world.core.store.banks
    scripted = banks.get(SCRIPTED)
    assert scripted is not None
    await banks.save([replace(scripted, payer_account=Need.REQUIRED)])
    payment = await world.pay()
    assert await refused(world.choose(payment)) is Refusal.PAYER_ACCOUNT_REQUIRED
    assert world.script.calls == []
    payer = Account(Scheme.IBAN, "DE77200995000142961871", "")
    await world.choose(payment, payer=payer)
    assert world.script.calls[0][1].orders[0].payer == payer


@pytest.mark.parametrize("said", [SETTLED, REJECTED])
async def test_nothing_is_chosen_for_a_payment_that_has_ended(world: World, said: object) -> None:
    world.script.initiate = [said]  # type: ignore[list-item]
    payment = await world.paying()
    assert await refused(world.choose(payment)) is Refusal.STATE_FORBIDS
    assert await refused(world.choose(payment, OTHER, switch=True)) is Refusal.STATE_FORBIDS


async def test_a_preset_choice_calls_nobody_and_fixes_the_bank(world: World) -> None:
    payment = await world.pay()
    command = choice(payment, fields={"use_case_pay": "redirect"})
    standing = await preset_bank(world.core, command)
    assert (standing.payment.bank_id, standing.payment.bank_locked) == (SCRIPTED, True)
    assert world.script.calls == []
    assert await refused(world.choose(payment, OTHER)) is Refusal.BANK_UNSUITABLE
    await world.choose(payment, fields={"more": "1"})
    assert world.script.calls[0][1].fields == {"use_case_pay": "redirect", "more": "1"}


async def test_a_preset_choice_is_refused_while_a_bank_is_being_called_and_after(world: World) -> None:
    payment = await world.pay()
    reasons: list[Refusal] = []

    async def preset() -> None:
        reasons.append(await refused(preset_bank(world.core, choice(payment, OTHER))))

    world.script.meanwhile["initiate"] = preset
    await world.choose(payment)
    await preset()
    assert reasons == [Refusal.STATE_FORBIDS] * 2
    assert (await world.now(payment)).payment.bank_id == SCRIPTED


async def test_a_payment_cancelled_while_a_bank_is_called_is_not_cancelled(world: World) -> None:
    payment = await world.pay()
    reasons: list[Refusal] = []

    async def cancel() -> None:
        reasons.append(await refused(cancel_by_client(world.core, payment.merchant_id, payment.payment_id)))

    world.script.meanwhile["initiate"] = cancel
    standing = await world.choose(payment)
    assert reasons == [Refusal.CANCEL_UNSUPPORTED]
    assert standing.payment.state is State.VALIDATING


async def test_a_bank_that_let_go_is_asked_nothing_more(world: World) -> None:
    world.script.cancel = [GONE]
    payment = await world.paying()
    await world.choose(payment, OTHER, switch=True)
    world.script.calls.clear()
    await world.later(seconds=5)
    assert {errand.bank.bank_id for _, errand in world.script.calls} == {OTHER}
