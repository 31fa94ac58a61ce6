"""The schedule of a delivery and the patience with its endpoint."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.retry import (
    ATTEMPTS_MAX,
    RETRIES_MAX,
    Streak,
    next_counted_wait,
    next_wait,
    read_retry_after,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JITTER = st.floats(0, 1, exclude_max=True)


def total(jitter: float) -> timedelta:
    waits = [next_wait(attempt, jitter) for attempt in range(1, ATTEMPTS_MAX)]
    return sum((wait for wait in waits if wait), timedelta())


def test_ten_attempts_span_about_seventy_five_hours() -> None:
    assert ATTEMPTS_MAX == 10
    assert total(0.5) == timedelta(hours=75, minutes=35, seconds=5)


def test_nothing_follows_the_last_attempt() -> None:
    assert next_wait(9, 0.0) is not None
    assert next_wait(10, 0.0) is None
    assert next_wait(10, 0.0, timedelta(minutes=1)) is None


@given(st.integers(1, 9), JITTER)
def test_jitter_spreads_every_step_around_itself(attempt: int, jitter: float) -> None:
    middle, wait = next_wait(attempt, 0.5), next_wait(attempt, jitter)
    assert middle is not None
    assert wait is not None
    assert middle / 2 <= wait <= middle * 1.5


@given(st.integers(1, 9), JITTER, st.timedeltas(timedelta(), timedelta(days=4000)))
def test_retry_after_lengthens_the_wait_up_to_a_day_and_never_shortens_it(
    attempt: int, jitter: float, asked: timedelta
) -> None:
    plain, wait = next_wait(attempt, jitter), next_wait(attempt, jitter, asked)
    assert plain is not None
    assert wait is not None
    assert max(plain, min(asked, timedelta(hours=24))) <= wait
    assert wait <= max(plain, timedelta(hours=24) * 1.1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        ("0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("٣", None),
        ("1.5", None),
        ("9" * 400, timedelta(hours=24)),
        ("Sun, 01 Mar 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Sun, 01 Mar 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None),
        ("Sun, 99 Mar 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_nonsense_as_absent(
    text: str | None, expected: timedelta | None
) -> None:
    assert read_retry_after(text, NOW) == expected


@pytest.mark.parametrize(
    ("streak", "broken"),
    [
        (Streak(), False),
        (Streak(failures=9), False),
        (Streak(failures=10), True),
        (Streak(failures=1, timeouts=1), False),
        (Streak(failures=2, timeouts=2), True),
        (Streak(failures=5, timeouts=0), False),
    ],
)
def test_ten_failures_or_two_timeouts_in_a_row_break_an_endpoint(streak: Streak, broken: bool) -> None:
    assert streak.broken is broken
    assert (streak.pause(0.5) is not None) is broken


def test_an_endpoint_that_fails_gets_one_delivery_at_a_time() -> None:
    assert [Streak(failures=count).slots for count in (0, 1, 10)] == [4, 1, 1]


def test_the_pause_grows_with_every_probe_that_fails_up_to_ten_minutes() -> None:
    pauses = [Streak(10, pauses=count).pause(0.5) for count in (0, 1, 2, 3, 4, 50)]
    assert pauses == [timedelta(seconds=s) for s in (30, 120, 300, 600, 600, 600)]


def test_an_overloaded_endpoint_is_believed_up_to_the_longest_pause() -> None:
    assert Streak(failures=1).pause(0.5, timedelta(seconds=90)) == timedelta(seconds=90)
    assert Streak(failures=1).pause(0.5, timedelta(days=9)) == timedelta(minutes=10)
    assert Streak(failures=10).pause(0.5, timedelta(seconds=1)) == timedelta(seconds=30)


@given(st.integers(0, RETRIES_MAX), st.integers(1, 30), JITTER)
def test_where_the_receiver_counts_there_are_as_many_retries_as_it_said(
    retries: int, attempt: int, jitter: float
) -> None:
    wait = next_counted_wait(attempt, retries, jitter)
    assert (wait is None) == (attempt > retries)
    assert wait is None or timedelta(seconds=7.5) <= wait <= timedelta(hours=10)


def test_counted_retries_begin_after_ten_seconds_and_grow_up_to_ten_hours() -> None:
    waits = [next_counted_wait(attempt, RETRIES_MAX, 0.5) for attempt in range(1, RETRIES_MAX + 1)]
    assert waits[:3] == [timedelta(seconds=10), timedelta(seconds=40), timedelta(seconds=160)]
    assert waits[-1] == timedelta(hours=10)
    assert waits == sorted(wait for wait in waits if wait)


def test_retry_after_lengthens_a_counted_wait_and_never_shortens_it() -> None:
    assert next_counted_wait(1, 5, 0.5, timedelta(minutes=5)) == timedelta(minutes=5)
    assert next_counted_wait(1, 5, 0.5, timedelta(seconds=1)) == timedelta(seconds=10)
    assert next_counted_wait(1, 5, 0.5, timedelta(days=3)) == timedelta(hours=10)
