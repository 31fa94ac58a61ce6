"""On which dates a recurring payment falls, and when each of them begins."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.recurrence import (
    DAYS,
    MONTHS,
    Frequency,
    Recurrence,
    begins_at,
    civil_day,
    due_dates,
)

# Zones whose clocks change at midnight, skip a midnight, skip a whole day, or never change.
ZONES = ("Europe/Paris", "Africa/Cairo", "America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "UTC")
DATES = st.dates(date(2000, 1, 1), date(2080, 12, 31))
FREQUENCIES = st.sampled_from(Frequency)


def first(count: int, start: str, frequency: Frequency) -> list[str]:
    dates = due_dates(date.fromisoformat(start), None, frequency, date.max)
    return [day.isoformat() for day in islice(dates, count)]


@pytest.mark.parametrize(
    ("frequency", "start", "dates"),
    [
        (Frequency.DAILY, "2027-02-27", "2027-02-27 2027-02-28 2027-03-01"),
        (Frequency.WEEKLY, "2027-12-25", "2027-12-25 2028-01-01 2028-01-08"),
        (Frequency.TWO_WEEKLY, "2028-02-20", "2028-02-20 2028-03-05 2028-03-19"),
        (Frequency.MONTHLY, "2027-12-31", "2027-12-31 2028-01-31 2028-02-29 2028-03-31 2028-04-30 2028-05-31"),
        (Frequency.MONTHLY, "2027-01-30", "2027-01-30 2027-02-28 2027-03-30"),
        (Frequency.TWO_MONTHLY, "2027-12-31", "2027-12-31 2028-02-29 2028-04-30"),
        (Frequency.QUARTERLY, "2027-08-31", "2027-08-31 2027-11-30 2028-02-29 2028-05-31"),
        (Frequency.FOUR_MONTHLY, "2027-10-31", "2027-10-31 2028-02-29 2028-06-30"),
        (Frequency.SEMIANNUALLY, "2027-08-31", "2027-08-31 2028-02-29 2028-08-31"),
        (Frequency.YEARLY, "2028-02-29", "2028-02-29 2029-02-28 2030-02-28 2031-02-28 2032-02-29"),
    ],
)
def test_the_dates_of_every_frequency(frequency: Frequency, start: str, dates: str) -> None:
    expected = dates.split()
    assert first(len(expected), start, frequency) == expected


def test_every_frequency_counts_either_days_or_months() -> None:
    assert set(DAYS) | set(MONTHS) == set(Frequency)
    assert set(DAYS) & set(MONTHS) == set()


@given(start=DATES, frequency=FREQUENCIES, days=st.integers(0, 3000))
def test_dates_begin_at_the_start_and_grow_within_their_bounds(start: date, frequency: Frequency, days: int) -> None:
    until = start + timedelta(days=days)
    found = list(due_dates(start, None, frequency, until))
    assert found[0] == start
    assert all(before < after for before, after in pairwise(found))
    assert found[-1] <= until
    following = Recurrence(frequency, start).date_of(len(found) + 1)
    assert following is not None
    assert following > until


@given(start=DATES, frequency=st.sampled_from(sorted(MONTHS)), ordinal=st.integers(1, 400))
def test_a_month_end_is_never_lost(start: date, frequency: Frequency, ordinal: int) -> None:
    day = Recurrence(frequency, start).date_of(ordinal)
    assert day is not None
    assert day.day == min(start.day, monthrange(day.year, day.month)[1])
    months = (day.year - start.year) * 12 + day.month - start.month
    assert months == MONTHS[frequency] * (ordinal - 1)


@given(start=DATES, frequency=FREQUENCIES, days=st.integers(0, 900))
def test_the_end_is_the_last_day_that_may_fall_due(start: date, frequency: Frequency, days: int) -> None:
    end = start + timedelta(days=days)
    assert list(due_dates(start, end, frequency, date.max)) == list(due_dates(start, None, frequency, end))


@given(start=DATES, frequency=FREQUENCIES, late=st.integers(-40, 40))
def test_a_start_that_has_passed_means_the_day_of_consent(start: date, frequency: Frequency, late: int) -> None:
    consent = start + timedelta(days=late)
    running = Recurrence(frequency, start).starting(consent)
    assert running == Recurrence(frequency, max(start, consent))


def test_dates_end_where_the_calendar_does() -> None:
    assert list(due_dates(date(9999, 11, 30), None, Frequency.MONTHLY, date.max)) == [
        date(9999, 11, 30),
        date(9999, 12, 30),
    ]
    assert len(list(due_dates(date(9999, 12, 30), None, Frequency.DAILY, date.max))) == 2


@given(day=DATES, zone=st.sampled_from(ZONES))
def test_a_date_begins_at_its_first_instant(day: date, zone: str) -> None:
    begins = begins_at(day, zone)
    skipped = day == date(2011, 12, 30) and zone == "Pacific/Apia"
    assert civil_day(begins, zone) == (day + timedelta(days=1) if skipped else day)
    assert civil_day(begins - timedelta(microseconds=1), zone) < day


@pytest.mark.parametrize(
    ("zone", "day", "local"),
    [
        ("Africa/Cairo", date(2027, 4, 30), "01:00"),  # midnight is left out
        ("America/Havana", date(2026, 11, 1), "00:00"),  # midnight comes twice
        ("Europe/Paris", date(2027, 3, 28), "00:00"),  # the day has 23 hours
        ("Europe/Paris", date(2027, 10, 31), "00:00"),  # the day has 25 hours
    ],
)
def test_days_on_which_the_clocks_change_begin_once(zone: str, day: date, local: str) -> None:
    begins = begins_at(day, zone)
    assert begins.tzinfo is UTC
    assert begins.astimezone(ZoneInfo(zone)).strftime("%H:%M") == local
    assert civil_day(begins - timedelta(seconds=1), zone) == day - timedelta(days=1)


@pytest.mark.parametrize(("zone", "expected"), [("Europe/Paris", 22), ("America/New_York", 21)])
def test_which_day_it_is_depends_on_where(zone: str, expected: int) -> None:
    assert civil_day(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), zone).day == expected
