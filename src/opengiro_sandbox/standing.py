"""A standing order: on which dates it falls, and when this bank executes each, by its own calendar and clock.

Dates on days that TARGET is closed move as the order says; the standard's day 31 is the last day of any month.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from opengiro_sandbox.banks import Bank

if TYPE_CHECKING:
    from holidays import HolidayBase

OPENING_HOUR = time(6)
MONTHS_LISTED = "MonthlyVariable"
DAYS: Mapping[str, int] = {"Daily": 1, "Weekly": 7, "EveryTwoWeeks": 14}
MONTHS: Mapping[str, int] = {
    "Monthly": 1,
    "EveryTwoMonths": 2,
    "Quarterly": 3,
    "SemiAnnual": 6,
    "Annual": 12,
    MONTHS_LISTED: 1,
}
FREQUENCIES = (*DAYS, *MONTHS)
_SATURDAY = 5


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How often an order is to be executed; `day` 0 is the start's own day, `months` belong to MonthlyVariable."""

    frequency: str
    start: date
    end: date | None = None
    rule: str = "following"
    day: int = 0
    months: tuple[int, ...] = ()


def due_dates(standing: Standing) -> Iterator[date]:
    """Yield the dates of the order, oldest first, without end where it has none."""
    for day in _candidates(standing):
        if standing.end and day > standing.end:
            return
        # The standard: the first applicable day from the start on is the first payment.
        if day >= standing.start:
            yield day


def _candidates(standing: Standing) -> Iterator[date]:
    start, step = standing.start, DAYS.get(standing.frequency)
    for turn in count():
        if step:
            yield start + timedelta(days=step * turn)
            continue
        year, month = divmod(start.year * 12 + start.month - 1 + MONTHS[standing.frequency] * turn, 12)
        if not standing.months or month + 1 in standing.months:
            yield date(year, month + 1, min(standing.day or start.day, monthrange(year, month + 1)[1]))


def executes_at(due: date, standing: Standing, bank: Bank) -> datetime:
    """Return when the bank executes a date: as it opens on that day, or on the open day the order moves it to."""
    step = timedelta(days=-1 if standing.rule == "preceding" else 1)
    while not is_open(due):
        due += step
    return datetime.combine(due, OPENING_HOUR, bank.timezone())


def last_execution(standing: Standing, bank: Bank) -> datetime | None:
    """Return when the order's last date is executed; None for one without end."""
    if standing.end is None:
        return None
    *_, last = (standing.start, *due_dates(standing))
    return executes_at(last, standing, bank)


def is_open(day: date) -> bool:
    """Return whether TARGET is open."""
    return day.weekday() < _SATURDAY and day not in _closed()


@cache
def _closed() -> "HolidayBase":
    from holidays import financial_holidays  # noqa: PLC0415  # slow to load, and few orders ask for it

    return financial_holidays("ECB")
