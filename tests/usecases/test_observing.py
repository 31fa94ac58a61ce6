"""Asking banks: when, what an answer means and what a return from the bank does not, and that restarts lose nothing."""

from datetime import timedelta
from pathlib import Path

import pytest

from opengiro.cli.directory import TEST_BANK_ID
from opengiro.domain.attempt import Phase
from opengiro.domain.banks import Redirect
from opengiro.domain.identifiers import mint_token
from opengiro.domain.lifecycle import FINAL, State, Trigger
from opengiro.domain.payment import Execution, Payment, Reason
from opengiro.domain.refusals import Refusal
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.return_from_bank import return_from_bank
from tests.usecases.test_choosing import refused
from tests.usecases.world import (
    ACCEPTED,
    OTHER,
    REJECTED,
    SETTLED,
    UNKNOWN,
    World,
    opened,
    says,
    scripted_bank,
    waits,
)

FORGED = {"status": "done", "state": "ACSC", "error": "", "paymentId": "another", "authFactorValue": "VALID"}


async def ticket(world: World, payment: Payment) -> str:
    """The ticket that the bank of the payment's attempt was given."""
    return (await world.attempt(payment)).return_url.rpartition("/")[2]


async def comes_back(core: Core, ticket: str, **query: str) -> Standing:
    return await return_from_bank(core, ticket, query)


# The schedule.


async def test_a_bank_is_asked_when_it_is_due_and_not_before(world: World) -> None:
    await world.paying()
    asked: list[int] = []
    for second in range(1, 61):
        await world.later(seconds=1)
        asked += [second] * (world.script.count("observe") - len(asked))
    assert asked == [1, 3, 7, 15, 30, 60]


async def test_a_bank_that_names_its_own_time_is_asked_then(world: World) -> None:
    world.script.initiate = [waits(ask_in=timedelta(minutes=7))]
    await world.paying()
    await world.later(minutes=7, seconds=-1)
    assert world.script.count("observe") == 0
    await world.later(seconds=1)
    assert world.script.count("observe") == 1


async def test_trouble_puts_the_next_question_off(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [UNKNOWN]
    for _ in range(10):
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    attempt = await world.attempt(payment)
    assert attempt.next_ask_at == world.time() + timedelta(minutes=5)
    assert attempt.phase is Phase.LIVE


@pytest.mark.parametrize("end", [SETTLED, REJECTED])
async def test_nobody_is_asked_about_a_payment_that_has_ended(world: World, end: object) -> None:
    payment = await world.paying()
    world.script.observe = [end]  # type: ignore[list-item]
    await world.later(seconds=5)
    assert await world.state(payment) in FINAL
    asked = world.script.count("observe")
    for days in (1, 10, 40):
        await world.later(days=days)
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert world.script.count("observe") == asked


async def test_an_attempt_whose_asker_died_is_asked_about_again_after_a_minute(world: World) -> None:
    await world.paying()
    world.time.forward(seconds=5)
    store = world.core.store.attempts
    now = int(world.time().timestamp() * 1_000_000)
    assert len(await store.claim_due(now, 0, 60_000_000, 10, 10)) == 1
    assert await store.claim_due(now + 59_000_000, 0, 60_000_000, 10, 10) == []
    assert len(await store.claim_due(now + 60_000_000, 0, 60_000_000, 10, 10)) == 1


async def test_a_claim_follows_its_own_merchants_clock_not_the_furthest_in_the_house(world: World) -> None:
    await world.paying()
    world.core.clock.move(2, timedelta(days=365))
    world.time.forward(seconds=5)
    store, furthest = world.core.store.attempts, world.core.clock.furthest_us()
    now = int(world.time().timestamp() * 1_000_000)
    assert len(await store.claim_due(now, furthest, 60_000_000, 10, 10)) == 1
    assert len(await store.claim_due(now + 61_000_000, furthest, 60_000_000, 10, 10)) == 1


async def test_one_bank_that_breaks_keeps_no_other_payment_waiting(world: World) -> None:
    first, second = await world.paying(), await world.paying(bank=OTHER)
    world.core.store.banks._by_id.pop("scripted-bank")
    world.script.observe = [SETTLED]
    await world.later(seconds=5)
    assert (await world.state(first), await world.state(second)) == (State.VALIDATING, State.DONE)


# Clocks that are moved.


async def test_what_is_due_follows_a_clock_that_is_moved(world: World) -> None:
    payment = await world.paying()
    await world.move_clock(timedelta(days=31))
    await world.look()
    assert await world.state(payment) is State.EXPIRED


async def test_a_clock_moved_back_leaves_nothing_waiting_for_a_future_that_is_off(world: World) -> None:
    await world.move_clock(timedelta(days=10))
    payment = await world.paying()
    await world.move_clock(None)
    world.script.observe = [SETTLED]
    await world.later(seconds=1)
    assert await world.state(payment) is State.DONE


async def test_a_call_that_died_before_a_clock_was_moved_back_is_noticed(world: World) -> None:
    await world.move_clock(timedelta(days=10))
    world.script.initiate = [UNKNOWN]
    payment = await world.paying()
    await world.move_clock(None)
    await world.later(seconds=1)
    assert (await world.attempt(payment)).phase is Phase.UNKNOWN
    assert world.script.count("initiate") == 1


async def test_a_moved_clock_survives_a_restart(world: World, tmp_path: Path) -> None:
    await world.move_clock(timedelta(days=3))
    async with opened(tmp_path, world.time) as again:
        assert again.core.now(1) == world.time() + timedelta(days=3)


# What an answer means.


async def test_a_status_in_no_table_is_kept_verbatim_and_changes_nothing(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [says(Trigger.BANK_SETTLED, "XYZZ", known=False)]
    standing = await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert standing.payment.state is State.VALIDATING
    assert standing.attempt is not None
    assert standing.attempt.said == "XYZZ"


async def test_every_move_a_bank_causes_keeps_what_the_bank_said(world: World) -> None:
    payment = await world.paying()
    for said in (says(Trigger.BANK_ACCEPTED, "ACTC"), says(Trigger.BANK_SETTLED, "ACSC")):
        world.script.observe = [said]
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert [(move.target.value, move.said) for move in await world.moves(payment)] == [
        ("created", None),
        ("validating", "RCVD"),
        ("pending", "ACTC"),
        ("done", "ACSC"),
    ]


async def test_an_answer_that_repeats_itself_makes_no_second_event(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [ACCEPTED]
    for _ in range(5):
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert await world.story(payment) == "created validating pending"


async def test_the_banks_text_for_the_payer_and_its_reason_are_kept(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [says(Trigger.BANK_REJECTED, reason=Reason.INSUFFICIENT_FUNDS, message="Not enough money")]
    standing = await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert (standing.payment.reason, standing.payment.bank_message) == (Reason.INSUFFICIENT_FUNDS, "Not enough money")


# Banks that never report the end.


async def silent(world: World, execution: Execution) -> Payment:
    bank = scripted_bank("silent", 904, no_final_status=(Execution.INSTANT, Execution.FIRST_OPEN_DAY))
    await world.core.store.banks.save([bank])
    world.script.initiate = world.script.observe = [ACCEPTED]
    return await world.paying(bank="silent", execution=execution)


@pytest.mark.parametrize(
    ("execution", "wait"),
    [(Execution.INSTANT, timedelta(minutes=1)), (Execution.FIRST_OPEN_DAY, timedelta(hours=1))],
)
async def test_silence_of_a_bank_that_never_reports_the_end_is_accepted_after_its_time(
    world: World, execution: Execution, wait: timedelta
) -> None:
    payment = await silent(world, execution)
    world.time.at += wait - timedelta(seconds=1)
    await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert await world.state(payment) is State.PENDING
    world.time.forward(seconds=1)
    await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    assert await world.story(payment) == "created validating pending accepted"


async def test_such_a_bank_may_still_tell_a_better_or_a_worse_end(world: World) -> None:
    for said, state in ((SETTLED, State.DONE), (REJECTED, State.REJECTED)):
        payment = await silent(world, Execution.INSTANT)
        world.time.forward(minutes=5)
        world.script.observe = [said]
        await ask_bank(world.core, payment.merchant_id, payment.payment_id)
        assert await world.state(payment) is state


async def test_silence_of_any_other_bank_is_no_acceptance(world: World) -> None:
    payment = await silent(world, Execution.DEFERRED)
    for days in (1, 5, 20):
        await world.later(days=days)
        assert await world.state(payment) is State.PENDING


# The payer comes back.


@pytest.mark.parametrize("query", [{}, FORGED, {"error": "access_denied"}], ids=["bare", "forged", "error"])
@pytest.mark.parametrize(
    ("said", "state"),
    [(waits(), State.VALIDATING), (SETTLED, State.DONE), (REJECTED, State.REJECTED), (UNKNOWN, State.VALIDATING)],
    ids=["waits", "settled", "rejected", "trouble"],
)
async def test_a_return_decides_nothing_and_makes_us_ask(
    world: World, said: object, state: State, query: dict[str, str]
) -> None:
    payment = await world.paying()
    world.script.observe = [said]  # type: ignore[list-item]
    standing = await comes_back(world.core, await ticket(world, payment), **query)
    assert standing.payment.state is state
    assert world.script.count("observe") == 1


async def test_a_return_can_be_replayed_any_number_of_times(world: World) -> None:
    payment = await world.paying()
    world.script.observe = [SETTLED]
    given = await ticket(world, payment)
    for _ in range(3):
        standing = await comes_back(world.core, given)
        assert (standing.payment.state, standing.attempt) == (State.DONE, await world.attempt(payment))
    assert await world.story(payment) == "created validating done"
    assert world.script.count("observe") == 1


async def test_a_ticket_nobody_was_given_is_not_found(world: World) -> None:
    await world.paying()
    for forged in ("", "x", mint_token(1, bytes(32)), mint_token(2, bytes(32)), mint_token(2**80, bytes(32))):
        assert await refused(comes_back(world.core, forged)) is Refusal.NOT_FOUND
    assert world.script.count("observe") == 0


async def test_the_ticket_of_another_payment_says_nothing_about_this_one(world: World) -> None:
    mine, other = await world.paying(), await world.paying()
    world.script.observe = [SETTLED]
    standing = await comes_back(world.core, await ticket(world, other))
    assert standing.payment.payment_id == other.payment_id
    assert (await world.state(mine), await world.state(other)) == (State.VALIDATING, State.DONE)


async def test_the_ticket_of_a_withdrawn_attempt_leaves_the_next_alone(world: World) -> None:
    payment = await world.paying()
    old = await ticket(world, payment)
    await world.choose(payment, OTHER, switch=True)
    world.script.observe = [SETTLED]
    standing = await comes_back(world.core, old)
    assert standing.payment.state is State.VALIDATING
    assert standing.attempt is not None
    assert (standing.attempt.ordinal, standing.attempt.phase) == (1, Phase.ENDED)
    assert world.script.count("observe") == 0


async def test_a_return_seven_days_late_tells_what_became_of_the_payment(world: World) -> None:
    payment = await world.paying()
    given = await ticket(world, payment)
    world.script.observe = [SETTLED]
    world.time.forward(days=7)
    assert (await comes_back(world.core, given)).payment.state is State.DONE


async def test_a_return_cannot_revive_an_expired_payment(world: World) -> None:
    payment = await world.paying()
    given = await ticket(world, payment)
    await world.later(days=30)
    world.script.observe = [SETTLED]
    assert (await comes_back(world.core, given, **FORGED)).payment.state is State.EXPIRED
    assert await world.story(payment) == "created validating expired"


async def test_a_return_from_a_bank_that_never_answered_changes_nothing(world: World) -> None:
    world.script.initiate = [UNKNOWN]
    payment = await world.paying()
    standing = await comes_back(world.core, await ticket(world, payment), **FORGED)
    assert standing.payment.state is State.VALIDATING
    assert (await world.attempt(payment)).phase is Phase.UNKNOWN


async def test_only_the_test_banks_own_page_counts_as_its_payers_approval(world: World) -> None:
    for query, state in (({}, State.VALIDATING), ({"authFactorValue": "AUTHENTICATION_VALIDATED"}, State.DONE)):
        payment = await world.pay()
        await world.choose(payment, TEST_BANK_ID, fields={"use_case_pay": "redirect"})
        standing = await comes_back(world.core, await ticket(world, payment), **query)
        assert standing.payment.state is state


# Restarts.


@pytest.mark.parametrize(
    ("steps", "story"),
    [
        ([waits(Redirect("https://bank.test/"))], "created validating"),
        ([waits(), ACCEPTED], "created validating pending"),
        ([waits(), ACCEPTED, SETTLED], "created validating pending done"),
        ([waits(), UNKNOWN, REJECTED], "created validating rejected"),
    ],
    ids=["at the bank", "accepted", "settled", "trouble, rejected"],
)
async def test_a_restart_after_every_step_changes_nothing(tmp_path: Path, steps: list[object], story: str) -> None:
    first, *rest = steps
    async with opened(tmp_path) as world:
        world.script.initiate = [first]  # type: ignore[list-item]
        payment = await world.pay()
    async with opened(tmp_path, world.time, world.script) as world:
        before = await world.choose(payment)
    for said in rest:
        async with opened(tmp_path, world.time, world.script) as world:
            assert await world.now(payment) == before
            world.script.observe = [said]  # type: ignore[list-item]
            before = await ask_bank(world.core, payment.merchant_id, payment.payment_id)
    async with opened(tmp_path, world.time, world.script) as world:
        assert await world.now(payment) == before
        assert await world.story(payment) == story
        assert world.script.count("initiate") == 1


async def test_what_was_due_during_an_outage_is_done_after_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        waiting, forgotten = await world.paying(), await world.pay()
    world.time.forward(days=30)
    world.script.observe = [SETTLED]
    async with opened(tmp_path, world.time, world.script) as world:
        await world.look()
        assert await world.state(waiting) is State.DONE
        assert await world.state(forgotten) is State.EXPIRED
