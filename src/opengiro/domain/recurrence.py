"""On which civil dates a recurring payment falls. Dates are counted from its start, so no month end is ever lost.

The 31st falls on the last day of a shorter month and is the 31st again in the next. A date begins at midnight in
the merchant's zone; where a change of the clocks leaves midnight out, it begins at the first instant after it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import count
from types import MappingProxyType
from zoneinfo import ZoneInfo


class Frequency(StrEnum):
    """How far two dates of a recurring payment lie apart."""

    DAILY = "daily"
    WEEKLY = "weekly"
    TWO_WEEKLY = "two-weekly"
    MONTHLY = "monthly"
    TWO_MONTHLY = "two-monthly"
    QUARTERLY = "quarterly"
    FOUR_MONTHLY = "four-monthly"
    SEMIANNUALLY = "semiannually"
    YEARLY = "yearly"


_F = Frequency
DAYS: Mapping[Frequency, int] = MappingProxyType({_F.DAILY: 1, _F.WEEKLY: 7, _F.TWO_WEEKLY: 14})
"""Frequencies counted in days."""
MONTHS: Mapping[Frequency, int] = MappingProxyType(
    {_F.MONTHLY: 1, _F.TWO_MONTHLY: 2, _F.QUARTERLY: 3, _F.FOUR_MONTHLY: 4, _F.SEMIANNUALLY: 6, _F.YEARLY: 12}
)
"""Frequencies counted in months."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A start, how often from then on, and the last date that may fall due (None: until stopped)."""

    frequency: Frequency
    start: date
    end: date | None = None

    def starting(self, day: date) -> Recurrence:
        """Return it as it runs when the payer consents on `day`: a start that has passed means that very day."""
        return self if day <= self.start else Recurrence(self.frequency, day, self.end)

    def date_of(self, ordinal: int) -> date | None:
        """Return the date of occurrence `ordinal` (from 1), or None beyond the end."""
        day = _nth(self.start, self.frequency, ordinal - 1)
        return None if day is None or (self.end and day > self.end) else day


def due_dates(start: date, end: date | None, frequency: Frequency, until: date) -> Iterator[date]:
    """Yield every date from the start up to `until` (and the end), oldest first."""
    recurrence = Recurrence(frequency, start, end)
    for ordinal in count(1):
        day = recurrence.date_of(ordinal)
        if day is None or day > until:
            return
        yield day


def civil_day(at: datetime, zone: str) -> date:
    """Return the date it is in the zone at this instant."""
    return at.astimezone(ZoneInfo(zone)).date()


def begins_at(day: date, zone: str) -> datetime:
    """Return the instant at which this date begins in the zone, in UTC."""
    # Of a midnight that comes twice this is the first, of one that is left out the instant of the change.
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _nth(start: date, frequency: Frequency, steps: int) -> date | None:
    """Return the date so many steps after the start; None where the calendar ends."""
    try:
        if frequency in DAYS:
            return start + timedelta(days=DAYS[frequency] * steps)
        year, month = divmod(start.year * 12 + start.month - 1 + MONTHS[frequency] * steps, 12)
        return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        return None
