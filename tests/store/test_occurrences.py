"""Schedules and occurrences as rows, and what the database itself forbids about them."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import pytest

from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.occurrence import Occurrence, Schedule, advance_occurrence, close, open_schedule, plan_due
from opengiro.domain.payment import Execution, Payment, Reason
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.store import Conflict, Store
from tests.store.conftest import NOON
from tests.store.test_laws import forced, paying

RECURRENCE = Recurrence(Frequency.MONTHLY, date(2027, 1, 31), date(2027, 12, 31))
_chance = count(1)


def chance(size: int) -> bytes:
    return next(_chance).to_bytes(size, "big")


async def recurring(store: Store) -> Payment:
    payment = paying()
    (one,) = payment.instructions
    payment = replace(payment, instructions=(replace(one, execution=Execution.PERIODIC, recurrence=RECURRENCE),))
    await store.commit(store.payments.create(payment))
    return payment


async def running(store: Store) -> Schedule:
    payment = await recurring(store)
    schedule = open_schedule(1, payment.payment_id, RECURRENCE, "Europe/Paris")
    await store.commit([store.occurrences.open(schedule)])
    return schedule


async def fallen_due(store: Store, months: int) -> tuple[Schedule, tuple[Occurrence, ...]]:
    """A schedule that was followed so far, with what was born."""
    before = await running(store)
    after, born = plan_due(before, NOON + timedelta(days=74 + 30 * months), 30, chance)
    await store.commit(store.occurrences.follow(after, before, born))
    return after, born


async def test_the_dates_of_an_instruction_are_kept(store: Store) -> None:
    payment = await recurring(store)
    kept = await store.payments.load(1, payment.payment_id)
    assert kept == payment
    assert kept.recurrence == RECURRENCE


async def test_what_was_saved_is_what_is_loaded(store: Store) -> None:
    schedule, born = await fallen_due(store, 2)
    door, payment_id = store.occurrences, schedule.payment_id
    assert await door.schedule(1, payment_id) == schedule
    assert await door.of_payment(1, payment_id) == [*born]
    assert await door.of_payment(1, payment_id, after=1, limit=1) == [born[1]]
    assert await door.by_guid(1, born[0].guid) == born[0]
    assert await door.by_number(1, born[0].number) == born[0]
    assert await door.counts(1, payment_id) == {State.PENDING: len(born)}


async def test_another_merchant_finds_nothing(store: Store) -> None:
    schedule, born = await fallen_due(store, 1)
    door = store.occurrences
    assert await door.schedule(2, schedule.payment_id) is None
    assert await door.of_payment(2, schedule.payment_id) == []
    assert await door.by_guid(2, born[0].guid) is None
    assert await door.by_number(2, born[0].number) is None


async def test_of_two_schedulers_one_creates_the_dates(store: Store) -> None:
    before = await running(store)
    plans = [plan_due(before, NOON + timedelta(days=150), 30, chance) for _ in range(2)]
    tries = (store.commit(store.occurrences.follow(after, before, born)) for after, born in plans)
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    dates = [one.due_date for one in await store.occurrences.of_payment(1, before.payment_id)]
    assert dates == [one.due_date for one in plans[0][1]]


async def test_what_became_of_a_date_is_saved_with_its_move_and_leaves_the_open_ones(store: Store) -> None:
    schedule, born = await fallen_due(store, 2)
    door, one = store.occurrences, born[0]
    moved = advance_occurrence(one, Trigger.BANK_REJECTED, NOON, Reason.INSUFFICIENT_FUNDS, "no money")
    assert moved
    await store.commit(door.save_move(moved[0], one, moved[1]))
    assert await door.opened(1, schedule.payment_id) == [*born[1:]]
    assert await door.by_guid(1, one.guid) == moved[0]
    first, second = await door.moves(1, schedule.payment_id, one.ordinal)
    assert (first.sequence, first.origin, first.target) == (0, None, State.PENDING)
    assert second == moved[1]
    with pytest.raises(Conflict):
        await store.commit(door.save_move(moved[0], one, moved[1]))


async def test_a_closed_schedule_stays_closed(store: Store) -> None:
    before = await running(store)
    await store.commit(store.occurrences.follow(close(before), before, ()))
    after, born = plan_due(before, NOON + timedelta(days=150), 30, chance)
    with pytest.raises(Conflict):
        await store.commit(store.occurrences.follow(after, before, born))
    assert await store.occurrences.of_payment(1, before.payment_id) == []


SKIPPED_MOVE = """
INSERT INTO occurrence_moves
SELECT merchant_id, payment_id, ordinal, 3, 'rejected', NULL, 'done', 0, NULL, NULL
FROM occurrence_moves WHERE sequence = 1"""
SECOND_OF_A_DATE = """
INSERT INTO occurrences
SELECT merchant_id, payment_id, 9, 'x', 9, due_date, state, 0, 0, 0, 0, NULL, NULL FROM occurrences WHERE ordinal = 2"""


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ("UPDATE occurrences SET state = 'pending' WHERE ordinal = 1", "a final state has no exit"),
        ("UPDATE occurrences SET state = 'done' WHERE ordinal = 1", "a final state has no exit"),
        ("UPDATE occurrences SET due_date = '2027-01-01'", "an occurrence is fixed"),
        ("UPDATE occurrences SET guid = 'x'", "an occurrence is fixed"),
        ("UPDATE occurrence_moves SET target = 'done'", "a move is history"),
        ("UPDATE schedules SET next_ordinal = 1", "a schedule runs forwards"),
        ("UPDATE instructions SET start_date = '2027-01-01'", "an instruction is fixed"),
        ("UPDATE instructions SET end_date = NULL", "an instruction is fixed"),
        ("UPDATE instructions SET frequency = 'daily'", "an instruction is fixed"),
        (SKIPPED_MOVE, "a move follows the one before it"),
        (SECOND_OF_A_DATE, "UNIQUE constraint failed|duplicate key value"),
    ],
)
async def test_the_laws_of_occurrences_hold_for_whoever_writes(store: Store, change: str, law: str) -> None:
    _, born = await fallen_due(store, 2)
    moved = advance_occurrence(born[0], Trigger.BANK_REJECTED, NOON)
    assert moved
    await store.commit(store.occurrences.save_move(moved[0], born[0], moved[1]))
    with pytest.raises(Conflict, match=law):
        await forced(store, change)
