"""How payments end otherwise than by their bank: cancelled, unconfirmed, or out of time; never while money may move."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from opengiro.domain.attempt import Phase
from opengiro.domain.banks import BankTrouble, Cancellation, Cancelled, Confirm, Moved, Redirect
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Execution, Payment, Reason
from opengiro.domain.refusals import Refusal
from opengiro.usecases import Standing
from opengiro.usecases.answer_bank import answer_fields, confirm_payment, resume
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.cancel_payment import cancel_by_client, cancel_by_payer
from opengiro.usecases.end_payment import end_payment
from tests.usecases.test_choosing import refused
from tests.usecases.world import (
    ACCEPTED,
    APPROVED,
    GONE,
    KEPT,
    NOT_SENT,
    OTHER,
    REJECTED,
    SETTLED,
    UNKNOWN,
    World,
    says,
    waits,
)

Act = Callable[[World, Payment], Awaitable[Standing]]


async def client_cancels(world: World, payment: Payment) -> Standing:
    return await cancel_by_client(world.core, payment.merchant_id, payment.payment_id)


async def payer_cancels(world: World, payment: Payment) -> Standing:
    return await cancel_by_payer(world.core, payment.merchant_id, payment.payment_id)


async def ask(world: World, payment: Payment) -> Standing:
    return await ask_bank(world.core, payment.merchant_id, payment.payment_id)


async def confirm(world: World, payment: Payment, *, yes: bool = True) -> Standing:
    return await confirm_payment(world.core, payment.merchant_id, payment.payment_id, yes)


async def why(standing: Standing) -> tuple[State, Reason | None]:
    return standing.payment.state, standing.payment.reason


@pytest.mark.parametrize(
    ("cancels", "reason"),
    [(client_cancels, Reason.CANCELLED_BY_CLIENT), (payer_cancels, Reason.CANCELLED_BY_PAYER)],
)
async def test_what_no_bank_knows_is_cancelled_without_asking_anybody(
    world: World, cancels: Act, reason: Reason
) -> None:
    payment = await world.pay()
    assert await why(await cancels(world, payment)) == (State.REJECTED, reason)
    assert world.script.calls == []


async def test_a_payer_who_cancels_makes_the_bank_forget_the_order_first(world: World) -> None:
    payment = await world.paying()
    standing = await payer_cancels(world, payment)
    assert await why(standing) == (State.REJECTED, Reason.CANCELLED_BY_PAYER)
    assert [slot for slot, _ in world.script.calls] == ["initiate", "observe", "cancel"]
    assert (await world.attempt(payment)).phase is Phase.ENDED


@pytest.mark.parametrize("answer", [KEPT, NOT_SENT, UNKNOWN], ids=["refused", "not sent", "unknown"])
async def test_a_payer_cannot_cancel_what_the_bank_keeps(world: World, answer: Cancellation) -> None:
    world.script.cancel = [answer]
    payment = await world.paying()
    assert await refused(payer_cancels(world, payment)) is Refusal.CANCEL_UNSUPPORTED
    assert await world.state(payment) is State.VALIDATING


async def test_a_payer_cannot_cancel_what_they_have_just_approved(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [SETTLED]
    assert await refused(payer_cancels(world, payment)) is Refusal.CANCEL_UNSUPPORTED
    assert await world.story(payment) == "created validating done"


@pytest.mark.parametrize("initiated", [UNKNOWN, NOT_SENT], ids=["unknown", "not sent"])
async def test_nobody_cancels_an_order_whose_fate_is_unknown(world: World, initiated: BankTrouble) -> None:
    world.script.initiate = [initiated]
    payment = await world.pay()
    await asyncio.gather(world.choose(payment, keep_open=True), return_exceptions=True)
    unknown = initiated is UNKNOWN
    for cancels in (client_cancels, payer_cancels):
        if unknown:
            assert await refused(cancels(world, payment)) is Refusal.CANCEL_UNSUPPORTED
        else:
            assert (await cancels(world, payment)).payment.state is State.REJECTED
            return


@pytest.mark.parametrize(
    ("state", "said", "execution", "allowed"),
    [
        (State.VALIDATING, waits(), Execution.DEFERRED, False),
        (State.PENDING, ACCEPTED, Execution.DEFERRED, True),
        (State.PENDING, ACCEPTED, Execution.FIRST_OPEN_DAY, True),
        (State.PENDING, ACCEPTED, Execution.INSTANT, False),
        (State.DONE, SETTLED, Execution.DEFERRED, False),
        (State.REJECTED, REJECTED, Execution.DEFERRED, False),
    ],
    ids=lambda value: value.value if isinstance(value, State | Execution) else "",
)
async def test_a_client_cancels_only_what_waits_for_its_date(
    world: World, state: State, said: object, execution: Execution, allowed: bool
) -> None:
    world.script.initiate = [said]  # type: ignore[list-item]
    payment = await world.paying(execution=execution)
    assert payment.state is state
    if allowed:
        assert await why(await client_cancels(world, payment)) == (State.REJECTED, Reason.CANCELLED_BY_CLIENT)
    else:
        assert await refused(client_cancels(world, payment)) is Refusal.CANCEL_UNSUPPORTED
        assert await world.state(payment) is state


PAGE = Redirect("https://bank.test/cancel/1")


async def cancelling(world: World) -> Payment:
    """A deferred payment whose cancellation the payer has still to approve."""
    world.script.initiate = world.script.observe = [ACCEPTED]
    world.script.cancel = [Cancellation(Cancelled.PAYER_MUST_APPROVE, "ACTC", PAGE.url)]
    return await world.paying(execution=Execution.DEFERRED)


async def test_a_cancellation_the_payer_must_approve_keeps_its_link_and_ends_nothing_by_itself(world: World) -> None:
    payment = await cancelling(world)
    standing = await client_cancels(world, payment)
    for _ in range(3):
        assert standing.payment.state is State.PENDING
        assert standing.payment.cancelling
        assert standing.attempt is not None
        assert standing.attempt.action == PAGE
        standing = await ask(world, payment)
    world.script.observe = [says(Trigger.BANK_REJECTED, "CANC", reason=Reason.CANCELLED_BY_PAYER)]
    assert await why(await ask(world, payment)) == (State.REJECTED, Reason.CANCELLED_BY_PAYER)
    assert not (await world.now(payment)).payment.cancelling


async def test_a_cancellation_meets_whatever_else_is_saved_meanwhile(world: World) -> None:
    payment = await cancelling(world)

    async def learn() -> None:
        await ask(world, payment)

    world.script.meanwhile["cancel"] = learn
    assert (await client_cancels(world, payment)).payment.cancelling

    settled = await cancelling(world)

    async def settle() -> None:
        world.script.observe = [SETTLED]
        await ask(world, settled)

    world.script.meanwhile["cancel"] = settle
    assert (await client_cancels(world, settled)).payment.state is State.DONE


async def test_a_bank_that_settled_while_it_let_go_wins(world: World) -> None:
    world.script.initiate = [ACCEPTED]
    payment = await world.paying(execution=Execution.DEFERRED)

    async def settle() -> None:
        world.script.observe = [SETTLED]
        await ask(world, payment)

    world.script.meanwhile["cancel"] = settle
    world.script.cancel = [GONE]
    assert await refused(client_cancels(world, payment)) is Refusal.STATE_FORBIDS
    assert await world.state(payment) is State.DONE


async def test_an_end_decided_before_an_attempt_began_does_not_end_that_attempt(world: World) -> None:
    payment = await world.pay()
    judged = await world.now(payment)
    await world.choose(payment)
    end = end_payment(world.core, judged, Trigger.TIME_RAN_OUT, Reason.NO_ANSWER_FROM_CUSTOMER)
    assert await refused(end) is Refusal.STATE_FORBIDS
    assert (await world.attempt(payment)).phase is Phase.LIVE


async def test_of_ten_cancellations_at_once_one_is_recorded(world: World) -> None:
    payment = await world.pay()
    results = await asyncio.gather(*(client_cancels(world, payment) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Standing) for one in results) == 1
    assert await world.story(payment) == "created rejected"


# Confirmations.


async def test_a_bank_that_awaits_our_word_gets_it_at_once(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [APPROVED]
    assert (await ask(world, payment)).payment.state is State.DONE
    assert world.script.count("confirm") == 1


@pytest.mark.parametrize("trouble", [NOT_SENT, UNKNOWN], ids=["not sent", "unknown"])
async def test_trouble_while_confirming_at_once_is_asked_about_and_confirmed_then(
    world: World, trouble: BankTrouble
) -> None:
    payment = await world.paying()
    world.script.observe, world.script.confirm = [APPROVED], [trouble, SETTLED]
    assert (await ask(world, payment)).payment.state is State.VALIDATING
    await world.later(seconds=10)
    assert await world.story(payment) == "created validating done"


async def awaiting_word(world: World) -> Payment:
    """A payment that its payer approved and that its merchant confirms by hand."""
    await world.set(auto_confirmation="0")
    payment = await world.paying()
    world.script.observe = [APPROVED]
    standing = await ask(world, payment)
    assert standing.attempt is not None
    assert standing.attempt.action == Confirm(world.time() + timedelta(seconds=60))
    return standing.payment


async def test_the_merchants_yes_lets_the_bank_pay(world: World) -> None:
    payment = await awaiting_word(world)
    assert world.script.count("confirm") == 0
    assert (await confirm(world, payment)).payment.state is State.DONE
    assert await refused(confirm(world, payment)) is Refusal.STATE_FORBIDS


async def test_the_merchants_no_rejects(world: World) -> None:
    payment = await awaiting_word(world)
    world.script.confirm = [says(Trigger.CONFIRMATION_REFUSED, reason=Reason.CONFIRMATION_REFUSED)]
    assert await why(await confirm(world, payment, yes=False)) == (State.REJECTED, Reason.CONFIRMATION_REFUSED)


async def test_the_merchants_no_rejects_whatever_the_bank_makes_of_it(world: World) -> None:
    payment = await awaiting_word(world)
    world.script.confirm = [waits()]
    assert await why(await confirm(world, payment, yes=False)) == (State.REJECTED, Reason.CONFIRMATION_REFUSED)


async def test_a_stronger_reason_of_the_bank_wins_over_the_merchants_no(world: World) -> None:
    payment = await awaiting_word(world)
    world.script.confirm = [says(Trigger.BANK_REJECTED, reason=Reason.INSUFFICIENT_FUNDS)]
    assert await why(await confirm(world, payment, yes=False)) == (State.REJECTED, Reason.INSUFFICIENT_FUNDS)


async def test_no_word_within_a_minute_rejects_and_asking_does_not_prolong_it(world: World) -> None:
    payment = await awaiting_word(world)
    for _ in range(5):
        await world.later(seconds=10)
        await ask(world, payment)
    await world.later(seconds=9)
    assert await world.state(payment) is State.VALIDATING
    await world.later(seconds=1)
    assert await why(await world.now(payment)) == (State.REJECTED, Reason.NO_ANSWER_FROM_CUSTOMER)
    assert world.script.count("confirm") == 0


async def test_a_yes_after_a_minute_is_too_late_even_before_anybody_looked(world: World) -> None:
    payment = await awaiting_word(world)
    world.time.forward(seconds=60)
    assert await why(await confirm(world, payment)) == (State.REJECTED, Reason.NO_ANSWER_FROM_CUSTOMER)
    assert world.script.count("confirm") == 0


async def test_a_yes_in_the_last_second_counts_though_the_bank_is_slow(world: World) -> None:
    payment = await awaiting_word(world)
    world.time.forward(seconds=59)

    async def time_passes() -> None:
        await world.later(seconds=5)

    world.script.meanwhile["confirm"] = time_passes
    assert (await confirm(world, payment)).payment.state is State.DONE
    assert await world.story(payment) == "created validating done"


async def test_a_no_cannot_overtake_a_yes_that_is_on_its_way(world: World) -> None:
    payment = await awaiting_word(world)
    reasons: list[Refusal] = []

    async def say_no() -> None:
        reasons.append(await refused(confirm(world, payment, yes=False)))

    world.script.meanwhile["confirm"] = say_no
    assert (await confirm(world, payment)).payment.state is State.DONE
    assert reasons == [Refusal.STATE_FORBIDS]
    assert world.script.count("confirm") == 1


async def test_a_yes_the_bank_did_not_hear_is_asked_for_again(world: World) -> None:
    payment = await awaiting_word(world)
    world.script.confirm = [NOT_SENT, SETTLED]
    assert (await confirm(world, payment)).payment.state is State.VALIDATING
    await world.later(seconds=60)
    attempt = await world.attempt(payment)
    assert isinstance(attempt.action, Confirm)
    assert (await confirm(world, payment)).payment.state is State.DONE


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize("said", [waits(), waits(PAGE), UNKNOWN, ACCEPTED], ids=["waits", "page", "unknown", "taken"])
async def test_a_word_nobody_asked_for_is_refused_and_ends_nothing(world: World, said: object, yes: bool) -> None:
    world.script.initiate = [said]  # type: ignore[list-item]
    payment = await world.paying()
    assert await refused(confirm(world, payment, yes=yes)) is Refusal.STATE_FORBIDS
    assert await world.state(payment) is payment.state
    assert world.script.count("confirm") == 0


async def test_fields_nobody_asked_for_are_refused(world: World) -> None:
    payment = await world.paying()
    answer = answer_fields(world.core, payment.merchant_id, payment.payment_id, {"code": "1234"})
    assert await refused(answer) is Refusal.STATE_FORBIDS


async def test_resuming_asks_where_there_is_something_to_wait_for(world: World) -> None:
    payment = await world.pay()
    key = (payment.merchant_id, payment.payment_id)
    assert await refused(resume(world.core, *key)) is Refusal.STATE_FORBIDS
    await world.choose(payment)
    world.script.observe = [SETTLED]
    assert (await resume(world.core, *key)).payment.state is State.DONE
    assert (await resume(world.core, *key)).payment.state is State.DONE


# Expiry.


async def test_a_payment_nobody_paid_expires_after_thirty_days(world: World) -> None:
    payment = await world.pay()
    await world.later(days=30, seconds=-1)
    assert await world.state(payment) is State.CREATED
    await world.later(seconds=1)
    assert await why(await world.now(payment)) == (State.EXPIRED, None)
    assert await refused(world.choose(payment)) is Refusal.STATE_FORBIDS


async def test_a_merchant_chooses_how_long_payments_live(world: World) -> None:
    await world.set(manual_expire_time_days="2")
    payment = await world.pay()
    await world.later(days=2)
    assert await world.state(payment) is State.EXPIRED


async def test_the_bank_is_asked_a_last_time_before_a_payment_expires(world: World) -> None:
    world.script.initiate = world.script.observe = [ACCEPTED]
    paid, unpaid = await world.paying(), await world.paying()
    world.time.forward(days=30)
    world.script.observe = [SETTLED, ACCEPTED]
    await world.look()
    assert {await world.state(paid), await world.state(unpaid)} == {State.DONE, State.EXPIRED}


async def test_a_payment_expires_though_its_bank_does_not_answer(world: World) -> None:
    payment = await world.paying()
    world.script.observe, world.script.cancel = [NOT_SENT], [NOT_SENT]
    await world.later(days=30)
    assert await world.story(payment) == "created validating expired"
    assert (await world.attempt(payment)).phase is Phase.ENDED


async def test_a_payment_whose_bank_left_the_directory_expires_and_keeps_no_other_waiting(world: World) -> None:
    orphan, other = await world.paying(), await world.pay()
    world.core.store.banks._by_id.pop("scripted-bank")
    await world.later(days=30)
    assert await world.state(orphan) is State.EXPIRED
    assert await world.state(other) is State.EXPIRED


async def test_a_payment_does_not_expire_while_its_payer_may_be_approving_it(world: World) -> None:
    payment = await world.pay()
    world.time.forward(days=30, minutes=-5)
    await world.choose(payment)
    await world.later(minutes=10)
    assert await world.state(payment) is State.VALIDATING
    asked = world.script.count("observe")
    for _ in range(20):
        await world.look()
    assert world.script.count("observe") == asked, "a payment that may not expire yet is not asked about on each look"
    await world.later(minutes=10)
    assert await world.state(payment) is State.EXPIRED
    assert world.script.count("cancel") == 1, "what its payer let lie was withdrawn before"


async def test_a_payment_does_not_expire_while_its_bank_is_called(world: World) -> None:
    payment = await world.pay()
    world.time.forward(days=30, seconds=-5)

    async def time_passes() -> None:
        await world.later(seconds=10)

    world.script.meanwhile["initiate"] = time_passes
    world.script.initiate = [SETTLED]
    assert (await world.choose(payment)).payment.state is State.DONE


@pytest.mark.parametrize("late", [SETTLED, ACCEPTED, REJECTED, APPROVED, waits(PAGE)])
async def test_a_late_answer_cannot_revive_an_expired_payment(world: World, late: object) -> None:
    payment = await world.paying()

    async def expire() -> None:
        world.time.forward(days=30)
        await end_payment(
            world.core, await world.now(payment), Trigger.TIME_RAN_OUT, Reason.NO_ANSWER_FROM_CUSTOMER
        )  # fmt: skip

    world.script.meanwhile["observe"] = expire
    world.script.observe = [late]  # type: ignore[list-item]
    assert (await ask(world, payment)).payment.state is State.EXPIRED
    assert await world.story(payment) == "created validating expired"
    assert (await world.attempt(payment)).phase is Phase.ENDED
    assert world.script.count("confirm") == 0


async def test_what_a_payer_let_lie_is_withdrawn_and_another_bank_may_pay(world: World) -> None:
    payment = await world.paying()
    await world.later(minutes=20)
    assert (await world.attempt(payment)).phase is Phase.ENDED
    assert world.script.count("cancel") == 1
    assert await world.state(payment) is State.VALIDATING
    assert (await world.choose(payment, OTHER)).attempt is not None


async def test_what_a_payer_let_lie_blocks_other_banks_until_its_own_lets_go(world: World) -> None:
    payment = await world.paying()
    world.script.cancel = [KEPT]
    await world.later(minutes=20)
    assert await refused(world.choose(payment, OTHER)) is Refusal.ATTEMPT_LIVE
    world.script.cancel = [GONE]
    await world.later(hours=1)
    assert (await world.choose(payment, OTHER)).attempt is not None


async def test_trouble_says_nothing_about_money_until_the_bank_does(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [BankTrouble("500", permanent=True, money=Moved.UNKNOWN)]
    await world.later(minutes=5)
    assert await world.state(payment) is State.VALIDATING
    world.script.observe = [SETTLED]
    await world.later(hours=2)
    assert await world.state(payment) is State.DONE
