"""When a delivery is tried again, and when an endpoint is left in peace for a while.

Ten attempts over about 75 hours, the steps Standard Webhooks recommends. Chance comes in as a number, so
every decision here can be repeated. An endpoint that keeps failing is paused as a whole: its deliveries wait
without using up their attempts, and one at a time probes whether it is back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

STEPS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each failed attempt the next one comes, before jitter."""

ATTEMPTS_MAX = len(STEPS) + 1
RETRY_AFTER_MAX = timedelta(hours=24)
KEPT = timedelta(days=30)
"""How long a settled delivery can be listed and replayed."""
HELD = timedelta(days=90)
"""How long one is held for an endpoint that takes nothing."""
SECRET_OVERLAP = timedelta(hours=24)
"""How long the secret before the newest stays valid, for receivers to change over."""

RETRIES_MAX = 20
"""How many retries a receiver may ask for, where it says how many."""
FIRST_WAIT = timedelta(seconds=10)
WAIT_MAX = timedelta(hours=10)

SLOTS_MAX = 4
FAILURES_MAX = 10
TIMEOUTS_MAX = 2
PAUSES = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=10))
"""How long a failing endpoint is left in peace; the last one repeats."""


def next_wait(attempt: int, jitter: float, asked: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after failed attempt number `attempt` (from 1), or None after the last one.

    `jitter` in [0, 1) spreads the step from half to one and a half of itself. What the endpoint asked for by
    Retry-After can lengthen the wait, up to a day, and never shortens it.
    """
    if attempt >= ATTEMPTS_MAX:
        return None
    planned = STEPS[attempt - 1] * (0.5 + jitter)
    if asked is None:
        return planned
    # A tenth more at most, so that everything held back by one answer does not come back at one instant.
    return max(planned, min(asked, RETRY_AFTER_MAX) * (1 + jitter / 10))


def next_counted_wait(attempt: int, retries: int, jitter: float, asked: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after failed attempt number `attempt` where the receiver set the number of retries.

    Each wait is four times the one before, spread by a quarter to both sides. Retry-After can lengthen it.
    """
    if attempt > retries:
        return None
    step = min(FIRST_WAIT * (1 << 2 * min(attempt - 1, 16)), WAIT_MAX)
    return min(max(step * (0.75 + jitter / 2), asked or timedelta()), WAIT_MAX)


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After header, seconds or a date; nonsense and the past count as absent."""
    if text is None:
        return None
    found = _seconds(text) if text.isascii() and text.isdigit() else _until(text, now)
    return found if found is not None and found > timedelta() else None


@dataclass(frozen=True, slots=True)
class Streak:
    """How an endpoint has been failing since it last accepted something."""

    failures: int = 0
    timeouts: int = 0
    pauses: int = 0

    @property
    def broken(self) -> bool:
        """Whether it has failed long enough to be paused and probed with one delivery at a time."""
        return self.failures >= FAILURES_MAX or self.timeouts >= TIMEOUTS_MAX

    @property
    def slots(self) -> int:
        """How many deliveries may be on their way to it at once."""
        return 1 if self.failures else SLOTS_MAX

    def pause(self, jitter: float, asked: timedelta | None = None) -> timedelta | None:
        """Return how long to leave the endpoint in peace now, or None while it still counts as working.

        `asked` is what an endpoint that is overloaded asked for; it is believed up to the longest pause.
        """
        broken = PAUSES[min(self.pauses, len(PAUSES) - 1)] * (0.75 + jitter / 2) if self.broken else timedelta()
        return max(broken, min(asked or timedelta(), PAUSES[-1])) or None


def _seconds(text: str) -> timedelta:
    # Longer numbers mean "very long" as well, and are kept from the arithmetic.
    return timedelta(seconds=int(text)) if len(text) <= 9 else RETRY_AFTER_MAX


def _until(text: str, now: datetime) -> timedelta | None:
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - now
