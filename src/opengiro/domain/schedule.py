"""When things are due: how often a bank is asked, when silence counts, when a payment expires.

Bank days are TARGET days; which days those are is an argument (`OpenDay`), so no calendar lives here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from opengiro.domain.payment import Execution

if TYPE_CHECKING:
    from opengiro.domain.payment import Payment

OpenDay = Callable[[date], bool]

_FIRST_ASKS_S = (1, 2, 4, 8, 15, 30, 60)
"""After the payer's return: dense enough for an instant payment, and sparse soon after."""
_FIRST_HOUR = timedelta(minutes=5)
_FIRST_DAYS = timedelta(hours=1)
_LATER = timedelta(days=1)
_QUIET_INSTANT = timedelta(minutes=1)
_QUIET_OTHERWISE = timedelta(hours=1)


def next_ask(payment: Payment, started_at: datetime, at: datetime, asked: int) -> datetime:
    """Return when to ask again after `asked` questions: seconds, then minutes, hours and days.

    What is due on a later day is asked about on that day, and from then on as closely as after the payer's return.
    """
    if asked < len(_FIRST_ASKS_S):
        return at + timedelta(seconds=_FIRST_ASKS_S[asked])
    due = max(started_at, _due_at(payment))
    if at < due:
        return min(at + _pace(at - started_at), due)
    return at + _pace(at - due)


def quiet_after(payment: Payment, accepted_at: datetime) -> datetime:
    """Return from when on silence of a bank that never reports the end means `accepted`."""
    wait = _QUIET_INSTANT if payment.execution is Execution.INSTANT else _QUIET_OTHERWISE
    return max(accepted_at, _due_at(payment)) + wait


def expiry(created_at: datetime, execution_date: date | None, days: int) -> datetime:
    """Return when a payment without a final status expires: `days` after creation or execution date, the later."""
    due = created_at if execution_date is None else max(created_at, _midnight(execution_date))
    return due + timedelta(days=days)


def next_open_day(day: date, is_open: OpenDay) -> date:
    """Return the first bank business day after `day`."""
    day += timedelta(days=1)
    while not is_open(day):
        day += timedelta(days=1)
    return day


def _pace(age: timedelta) -> timedelta:
    if age < timedelta(hours=1):
        return _FIRST_HOUR
    return _FIRST_DAYS if age < timedelta(days=2) else _LATER


def _due_at(payment: Payment) -> datetime:
    due = payment.instructions[0].execution_date
    return payment.created_at if due is None else max(payment.created_at, _midnight(due))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
