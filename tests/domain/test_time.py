"""When things are due: clocks that move, how often banks are asked, when silence counts, when payments expire."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.clock import Clock, from_us, to_us
from opengiro.domain.money import Money
from opengiro.domain.payment import Execution, Instruction, Payment
from opengiro.domain.schedule import expiry, next_ask, next_open_day, quiet_after

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def paying(execution: Execution = Execution.INSTANT, due: date | None = None) -> Payment:
    payee = Account(Scheme.IBAN, "FR7630006000011234567890189", "Shop")
    return Payment(
        merchant_id=1,
        payment_id=1,
        guid="",
        client_id="1",
        created_at=NOON,
        expires_at=NOON + timedelta(days=30),
        dialect="powens",
        redirect_uri="",
        client_state=None,
        instructions=(Instruction("r", Money(1, "EUR"), "l", execution, due, payee),),
    )


def asks(payment: Payment, until: timedelta) -> list[timedelta]:
    """When a bank whose payer chose at noon is asked, as time since then."""
    at, asked, found = NOON, 0, []
    while (at := next_ask(payment, NOON, at, asked)) - NOON < until:
        found.append(at - NOON)
        asked += 1
    return found


def test_each_merchant_has_a_clock_of_its_own() -> None:
    clock = Clock(lambda: NOON)
    clock.move(1, timedelta(days=3))
    assert (clock.now(1), clock.now(2), clock.real()) == (NOON + timedelta(days=3), NOON, NOON)
    clock.move(1, timedelta())
    assert clock.now(1) == NOON


@pytest.mark.parametrize(
    ("offsets", "furthest"),
    [({}, 0), ({1: 5}, 5), ({1: 5, 2: 9}, 9), ({1: -5}, 0), ({1: -5, 2: 3}, 3)],
)
def test_nothing_is_due_beyond_the_furthest_clock_nor_before_the_real_one(
    offsets: dict[int, int], furthest: int
) -> None:
    clock = Clock(lambda: NOON)
    for merchant, days in offsets.items():
        clock.move(merchant, timedelta(days=days))
    assert clock.furthest() == timedelta(days=furthest)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # bounds
def test_an_instant_is_kept_to_the_microsecond(instant: datetime) -> None:
    assert from_us(to_us(instant)) == instant


def test_a_bank_is_asked_densely_at_first_then_every_five_minutes_hourly_and_daily() -> None:
    when = asks(paying(), timedelta(days=5))
    assert [one.total_seconds() for one in when[:7]] == [1, 3, 7, 15, 30, 60, 120]
    gaps = [later - earlier for earlier, later in pairwise(when[6:])]
    assert gaps == sorted(gaps)
    assert set(gaps) == {timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)}
    assert len(when) < 75


def test_a_bank_is_not_asked_every_five_minutes_for_weeks_before_a_payment_is_due() -> None:
    due = date(2026, 12, 18)
    when = asks(paying(Execution.DEFERRED, due), timedelta(days=33))
    before = [one for one in when if NOON + one < datetime(2026, 12, 17, tzinfo=UTC)]
    assert len(before) < 100
    on_the_day = [one for one in when if datetime(2026, 12, 18, tzinfo=UTC) <= NOON + one]
    assert on_the_day[1] - on_the_day[0] <= timedelta(minutes=5)


def test_a_payment_due_later_is_asked_about_on_its_day_whatever_came_before() -> None:
    due = datetime(2026, 12, 18, tzinfo=UTC)
    payment = paying(Execution.DEFERRED, due.date())
    for hours in range(1, 24 * 30):
        at = due - timedelta(hours=hours)
        assert next_ask(payment, NOON, at, 50) <= due


@pytest.mark.parametrize(
    ("execution", "due", "wait"),
    [
        (Execution.INSTANT, None, timedelta(minutes=1)),
        (Execution.FIRST_OPEN_DAY, None, timedelta(hours=1)),
        (Execution.DEFERRED, date(2026, 11, 20), timedelta(hours=37)),
    ],
)
def test_silence_counts_from_acceptance_or_the_day_it_is_due(
    execution: Execution, due: date | None, wait: timedelta
) -> None:
    assert quiet_after(paying(execution, due), NOON) == NOON + wait


def test_silence_counts_from_acceptance_when_the_payer_took_days() -> None:
    late = NOON + timedelta(days=4)
    assert quiet_after(paying(), late) == late + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("due", "expires"),
    [
        (None, NOON + timedelta(days=30)),
        (date(2026, 11, 18), NOON + timedelta(days=30)),
        (date(2026, 11, 1), NOON + timedelta(days=30)),
        (date(2026, 12, 1), datetime(2026, 12, 31, tzinfo=UTC)),
    ],
)
def test_a_payment_expires_days_after_creation_or_execution_whichever_is_later(
    due: date | None, expires: datetime
) -> None:
    assert expiry(NOON, due, 30) == expires


@pytest.mark.parametrize(
    ("day", "following"),
    [
        (date(2026, 11, 18), date(2026, 11, 19)),
        (date(2026, 11, 20), date(2026, 11, 23)),
        (date(2026, 11, 21), date(2026, 11, 23)),
        (date(2026, 12, 24), date(2026, 12, 28)),
    ],
)
def test_the_first_open_day_is_after_the_day_and_never_on_one_that_is_closed(day: date, following: date) -> None:
    closed = {date(2026, 12, 25)}
    assert next_open_day(day, lambda one: one.weekday() < 5 and one not in closed) == following


def test_the_total_of_a_payment_is_the_sum_of_its_instructions() -> None:
    payment = paying()
    (one,) = payment.instructions
    three = tuple(replace(one, amount=Money(minor, "EUR")) for minor in (1, 20, 300))
    assert replace(payment, instructions=three).total == Money(321, "EUR")
