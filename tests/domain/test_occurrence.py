"""Occurrences: one for each date, what a bank's word on the whole order means for one of them, and for the payment."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.occurrence import (
    AT_ONCE_MAX,
    Course,
    Occurrence,
    Schedule,
    advance_occurrence,
    began_its_day,
    close,
    had_its_day,
    next_look,
    open_schedule,
    outcome_at_end,
    outcome_while_active,
    plan_due,
    plan_settlement,
    verdict,
)
from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Frequency, Recurrence, begins_at, due_dates

PARIS = "Europe/Paris"
START = date(2027, 1, 31)
DONE, QUIET, REFUSED = Trigger.BANK_SETTLED, Trigger.BANK_WENT_QUIET, Trigger.BANK_REJECTED
_chance = count(1)


def chance(size: int) -> bytes:
    return next(_chance).to_bytes(size, "big")


def schedule(frequency: Frequency = Frequency.MONTHLY, end: date | None = None) -> Schedule:
    return open_schedule(1, 2, Recurrence(frequency, START, end), PARIS)


def born(until: date, frequency: Frequency = Frequency.MONTHLY) -> tuple[Occurrence, ...]:
    return plan_due(schedule(frequency), begins_at(until, PARIS), 30, chance)[1]


def weekday(day: date) -> bool:
    return day.weekday() < 5


def test_nothing_falls_due_before_its_date_begins() -> None:
    begins = begins_at(START, PARIS)
    before = begins - timedelta(microseconds=1)
    assert plan_due(schedule(), before, 30, chance)[1] == ()
    assert [one.due_date for one in plan_due(schedule(), begins, 30, chance)[1]] == [START]


def test_a_jump_over_several_dates_catches_up_on_each_oldest_first() -> None:
    after, made = plan_due(schedule(), begins_at(date(2027, 4, 30), PARIS), 30, chance)
    assert [(one.ordinal, one.due_date.isoformat()) for one in made] == [
        (1, "2027-01-31"),
        (2, "2027-02-28"),
        (3, "2027-03-31"),
        (4, "2027-04-30"),
    ]
    assert (after.next_ordinal, after.next_due_at) == (5, begins_at(date(2027, 5, 31), PARIS))


@given(frequency=st.sampled_from(Frequency), jumps=st.lists(st.integers(0, 400), max_size=8))
def test_however_the_clock_jumps_each_date_comes_once(frequency: Frequency, jumps: list[int]) -> None:
    made: list[Occurrence] = []
    running, now = schedule(frequency), begins_at(START, PARIS)
    for days in jumps:
        now += timedelta(days=days)
        while True:
            running, more = plan_due(running, now, 30, chance)
            made += more
            if len(more) < AT_ONCE_MAX:
                break
    until = now.astimezone(UTC).date() if not jumps else now.astimezone(begins_at(START, PARIS).tzinfo).date()
    expected = [day for day in due_dates(START, None, frequency, until + timedelta(days=2))
                if begins_at(day, PARIS) <= now] if jumps else []  # fmt: skip
    assert [one.due_date for one in made] == expected
    assert [one.ordinal for one in made] == list(range(1, len(made) + 1))
    assert len({one.guid for one in made}) == len({one.number for one in made}) == len(made)


def test_a_long_absence_is_caught_up_in_batches() -> None:
    after, made = plan_due(schedule(Frequency.DAILY), datetime(2028, 1, 1, tzinfo=UTC), 30, chance)
    assert (len(made), after.next_ordinal) == (AT_ONCE_MAX, AT_ONCE_MAX + 1)


def test_a_schedule_ends_with_its_last_date_and_a_closed_one_at_once() -> None:
    after, made = plan_due(schedule(end=date(2027, 3, 30)), datetime(2030, 1, 1, tzinfo=UTC), 30, chance)
    assert (len(made), after.finished) == (2, True)
    assert plan_due(close(schedule()), datetime(2030, 1, 1, tzinfo=UTC), 30, chance)[1] == ()


def test_a_bank_has_its_day_on_the_first_open_one() -> None:
    (sunday,) = born(START)
    assert sunday.due_date.weekday() == 6
    monday, tuesday = begins_at(date(2027, 2, 1), PARIS), begins_at(date(2027, 2, 2), PARIS)
    instant = timedelta(microseconds=1)
    began = [began_its_day(sunday, PARIS, weekday, at) for at in (monday - instant, monday)]
    had = [had_its_day(sunday, PARIS, weekday, at) for at in (tuesday - instant, tuesday)]
    assert (began, had) == ([False, True], [False, True])


@pytest.mark.parametrize(
    ("told", "had", "tells_end", "outcome"),
    [
        ({}, False, True, None),
        ({}, True, True, (DONE, None)),
        ({}, True, False, (QUIET, None)),
        ({START: None}, False, False, (DONE, None)),
        ({START: Reason.INSUFFICIENT_FUNDS}, False, True, (REFUSED, Reason.INSUFFICIENT_FUNDS)),
        ({START + timedelta(days=28): None}, False, True, None),
    ],
)
def test_an_active_order_tells_of_a_date_once_the_bank_had_its_day(
    told: dict[date, Reason | None], had: bool, tells_end: bool, outcome: object
) -> None:
    (one,) = born(START)
    assert outcome_while_active(one, told, had_its_day=had, tells_end=tells_end) == outcome


@pytest.mark.parametrize(
    ("end", "reason", "began", "newest", "outcome"),
    [
        (REFUSED, Reason.INSUFFICIENT_FUNDS, True, True, (REFUSED, Reason.INSUFFICIENT_FUNDS)),
        (REFUSED, Reason.INSUFFICIENT_FUNDS, True, False, (QUIET, None)),
        (REFUSED, Reason.CANCELLED_BY_PAYER, True, True, (QUIET, None)),
        (REFUSED, Reason.CANCELLED_BY_PAYER, False, True, (REFUSED, Reason.CANCELLED_BY_PAYER)),
        (Trigger.CLIENT_CANCELLED, Reason.CANCELLED_BY_CLIENT, True, True, (QUIET, None)),
        (
            Trigger.CLIENT_CANCELLED,
            Reason.CANCELLED_BY_CLIENT,
            False,
            True,
            (Trigger.CLIENT_CANCELLED, Reason.CANCELLED_BY_CLIENT),
        ),
    ],
)
def test_an_ended_order_fails_only_what_it_cannot_have_executed(
    end: Trigger, reason: Reason, began: bool, newest: bool, outcome: object
) -> None:
    (one,) = born(START)
    assert outcome_at_end(one, {}, end, reason, began_its_day=began, newest=newest) == outcome
    assert outcome_at_end(one, {START: None}, end, reason, began_its_day=began, newest=newest) == (DONE, None)


def test_what_became_of_a_date_is_one_move_and_final() -> None:
    (one,) = born(START)
    moved = advance_occurrence(one, REFUSED, one.created_at, Reason.INSUFFICIENT_FUNDS, "no money")
    assert moved is not None
    after, row = moved
    assert (after.state, after.reason, after.bank_message) == (State.REJECTED, Reason.INSUFFICIENT_FUNDS, "no money")
    assert (row.sequence, row.origin, row.target) == (1, State.PENDING, State.REJECTED)
    assert [advance_occurrence(after, trigger, one.created_at) for trigger in Trigger] == [None] * len(Trigger)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("", None),
        ("done pending", None),
        ("done", Trigger.BANK_SETTLED),
        ("done accepted", Trigger.BANK_WENT_QUIET),
        ("accepted", Trigger.BANK_WENT_QUIET),
        ("done rejected", Trigger.BANK_SETTLED_PARTLY),
        ("accepted expired", Trigger.BANK_SETTLED_PARTLY),
        ("rejected", Trigger.BANK_REJECTED),
        ("rejected expired", Trigger.BANK_REJECTED),
        ("expired", Trigger.TIME_RAN_OUT),
    ],
)
def test_a_payment_is_summed_up_like_a_bulk(states: str, expected: Trigger | None) -> None:
    assert verdict({State(state): 1 for state in states.split()}) == ((expected,) if expected else ())


def test_a_payment_is_summed_up_only_after_its_last_date() -> None:
    opened = born(date(2027, 2, 28))
    course = Course(schedule(), opened, {State.PENDING: 2})
    now = opened[0].created_at
    going_on = plan_settlement(course, lambda _: (DONE, None), now)
    assert (len(going_on.changes), going_on.triggers) == (2, ())
    over = replace(course, schedule=close(schedule()))
    assert plan_settlement(over, lambda _: (DONE, None), now).triggers == (DONE,)
    waiting = plan_settlement(over, lambda one: (DONE, None) if one.ordinal == 1 else None, now)
    assert (waiting.still_open, waiting.triggers) == ((opened[1],), ())


def test_a_bank_is_asked_closely_after_a_date_and_daily_between_two() -> None:
    running = schedule()
    begins = begins_at(START, PARIS)
    (one,) = born(START)
    later = [next_look((one,), running, begins + age) - begins - age for age in map(_ago, (0, 2, 24 * 6))]
    assert later == [timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)]
    assert next_look((), running, begins - timedelta(hours=3)) == begins
    assert next_look((), close(running), begins) == begins + timedelta(days=1)


def _ago(hours: int) -> timedelta:
    return timedelta(hours=hours)
