"""On which days banks move euros: TARGET days, by the calendar of the European Central Bank."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

_SATURDAY = 5


def is_bank_day(day: date) -> bool:
    """Whether banks execute transfers on this day."""
    return day.weekday() < _SATURDAY and day not in _closed()


@cache
def _closed() -> HolidayBase:
    from holidays import financial_holidays  # noqa: PLC0415  # slow to load, and few payments ask for it

    return financial_holidays("ECB")
