"""The sandbox's own clock, for when it runs alone: real time plus a shift that is kept in the book."""

from datetime import UTC, datetime, timedelta

import msgspec

from opengiro_sandbox.book import Book


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to move the clock: by seconds, to an instant, or back to real time."""

    advance_s: int = 0
    now: datetime | None = None
    reset: bool = False


class Clock:
    """A clock that can be moved and stays moved over restarts."""

    def __init__(self, book: Book) -> None:
        """Read how far the clock was moved last time."""
        self._book = book
        self._ahead = book.clock_ahead()

    def now(self) -> datetime:
        """Return the sandbox's present, in UTC."""
        return datetime.now(UTC) + self._ahead

    def shift(self, shift: Shift) -> None:
        """Move the clock and keep the move."""
        ahead = timedelta() if shift.reset else self._ahead
        if shift.now:
            aware = shift.now if shift.now.tzinfo else shift.now.replace(tzinfo=UTC)
            ahead = aware - datetime.now(UTC)
        ahead += timedelta(seconds=shift.advance_s)
        self._book.save_clock_ahead(ahead)
        self._ahead = ahead
