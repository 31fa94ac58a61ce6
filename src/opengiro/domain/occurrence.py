"""The single payments a recurring payment is made of: one occurrence for each date, born when its date comes.

An occurrence walks the same table of states as a payment, from `pending`. Most banks never tell of single dates;
what their word on the whole order means for one date is decided here, by the rule docs/concepts/recurring.md gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from opengiro.domain.identifiers import guid7, payment_id
from opengiro.domain.lifecycle import FINAL, State, Trigger, move
from opengiro.domain.payment import Reason
from opengiro.domain.recurrence import Recurrence, begins_at
from opengiro.domain.schedule import OpenDay, expiry

AT_ONCE_MAX = 100
"""How many dates one transaction catches up on; more follow in the next."""
FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
"""When an active recurring payment expires: its occurrences do, one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Where a recurring payment stands in its dates. `next_due_at` None: no date is left, or it was stopped."""

    merchant_id: int
    payment_id: int
    recurrence: Recurrence  #: as it runs, from the payer's consent
    zone: str  #: of the merchant when the payer consented
    next_ordinal: int
    next_due_at: datetime | None

    @property
    def finished(self) -> bool:
        """Whether no further occurrence will be born."""
        return self.next_due_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One date's transfer: amount and payee are those of its payment."""

    merchant_id: int
    payment_id: int
    ordinal: int  #: 1 for the first date, then without gaps
    guid: str  #: UUIDv7
    number: int  #: 53 bits, like a payment's id
    due_date: date
    created_at: datetime
    updated_at: datetime
    expires_at: datetime  #: without a word of the bank until then, nobody will know
    state: State = State.PENDING
    moved: int = 0  #: sequence of its last move
    reason: Reason | None = None
    bank_message: str | None = None


@dataclass(frozen=True, slots=True)
class OccurrenceMove:
    """One change of an occurrence's state, a row like a payment's move: 0 is its creation, and no event."""

    merchant_id: int
    payment_id: int
    ordinal: int
    sequence: int
    origin: State | None
    trigger: Trigger | None
    target: State
    at: datetime
    reason: Reason | None = None
    bank_message: str | None = None


def open_schedule(merchant_id: int, payment_id: int, recurrence: Recurrence, zone: str) -> Schedule:
    """Return the schedule of an order that its payer has just consented to."""
    return _at(Schedule(
        merchant_id=merchant_id, payment_id=payment_id, recurrence=recurrence, zone=zone,
        next_ordinal=1, next_due_at=None,
    ), 1)  # fmt: skip


def close(schedule: Schedule) -> Schedule:
    """Return the schedule with no further dates."""
    return replace(schedule, next_due_at=None)


def plan_due(
    schedule: Schedule, now: datetime, expire_days: int, chance: Callable[[int], bytes]
) -> tuple[Schedule, tuple[Occurrence, ...]]:
    """Return what has fallen due, oldest first and at most `AT_ONCE_MAX`, and the schedule after it."""
    born: list[Occurrence] = []
    while schedule.next_due_at is not None and schedule.next_due_at <= now and len(born) < AT_ONCE_MAX:
        # Ids hold the milliseconds, so each of a batch takes one of its own and none is drawn twice.
        moment = now + timedelta(milliseconds=len(born))
        expires_at = expiry(now, schedule.recurrence.date_of(schedule.next_ordinal), expire_days)
        born.append(_born(schedule, moment, now, expires_at, chance))
        schedule = _at(schedule, schedule.next_ordinal + 1)
    return schedule, tuple(born)


def had_its_day(occurrence: Occurrence, zone: str, is_open: OpenDay, now: datetime) -> bool:
    """Whether the bank has had the whole of the business day that it executes this date on."""
    return now >= begins_at(_executes_on(occurrence.due_date, is_open) + timedelta(days=1), zone)


def began_its_day(occurrence: Occurrence, zone: str, is_open: OpenDay, now: datetime) -> bool:
    """Whether the business day has begun that the bank executes this date on."""
    return now >= begins_at(_executes_on(occurrence.due_date, is_open), zone)


def advance_occurrence(
    occurrence: Occurrence, trigger: Trigger, at: datetime, reason: Reason | None = None, message: str | None = None
) -> tuple[Occurrence, OccurrenceMove] | None:
    """Return the occurrence after a trigger with the move that records it; None when it changes nothing."""
    target = move(occurrence.state, trigger)
    if target is None:
        return None
    why = reason if target is State.REJECTED else None
    text = message if target is State.REJECTED else None
    moved = OccurrenceMove(
        occurrence.merchant_id, occurrence.payment_id, occurrence.ordinal, occurrence.moved + 1,
        occurrence.state, trigger, target, at, why, text,
    )  # fmt: skip
    after = replace(
        occurrence, state=target, moved=moved.sequence, reason=why, bank_message=text, updated_at=at
    )  # fmt: skip
    return after, moved


def outcome_while_active(
    occurrence: Occurrence, executed: Mapping[date, Reason | None], *, had_its_day: bool, tells_end: bool
) -> tuple[Trigger, Reason | None] | None:
    """Return what became of a date while the bank calls its order active; None while it is too early to say."""
    if occurrence.due_date in executed:
        reason = executed[occurrence.due_date]
        return (Trigger.BANK_REJECTED, reason) if reason else (Trigger.BANK_SETTLED, None)
    if not had_its_day:
        return None
    return (Trigger.BANK_SETTLED if tells_end else Trigger.BANK_WENT_QUIET), None


def outcome_at_end(
    occurrence: Occurrence,
    executed: Mapping[date, Reason | None],
    end: Trigger,
    reason: Reason | None,
    *,
    began_its_day: bool,
    newest: bool,
) -> tuple[Trigger, Reason | None]:
    """Return what became of an open date when its order ended before its time.

    A date whose business day had not begun is never executed. Of one that had, only a refusal of the whole order
    says something, and only about the newest: which others were executed before, nobody tells.
    """
    if occurrence.due_date in executed:
        why = executed[occurrence.due_date]
        return (Trigger.BANK_REJECTED, why) if why else (Trigger.BANK_SETTLED, None)
    refused = end is Trigger.BANK_REJECTED and reason not in _STOPPED and newest
    if refused or not began_its_day:
        return end, reason
    return Trigger.BANK_WENT_QUIET, None


def verdict(outcomes: Mapping[State, int]) -> tuple[Trigger, ...]:
    """Return what the outcomes of all dates mean for their payment, as a bulk is summed up on the wires.

    All alike give that state; refused ones among others make it partial; the rest is no better than its weakest.
    """
    states = {state for state, count in outcomes.items() if count}
    failed = states & {State.REJECTED, State.EXPIRED}
    if not states or not states <= FINAL:
        return ()
    if states == failed:
        return (Trigger.BANK_REJECTED,) if State.REJECTED in states else (Trigger.TIME_RAN_OUT,)
    if failed:
        return (Trigger.BANK_SETTLED_PARTLY,)
    return (Trigger.BANK_WENT_QUIET,) if State.ACCEPTED in states else (Trigger.BANK_SETTLED,)


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of a recurring payment's dates: its schedule, those still open, and how many are in each state."""

    schedule: Schedule
    opened: tuple[Occurrence, ...]
    counts: Mapping[State, int]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of open dates: each as it was, as it is and the move between; and what that means for the payment."""

    changes: tuple[tuple[Occurrence, Occurrence, OccurrenceMove], ...]
    still_open: tuple[Occurrence, ...]
    triggers: tuple[Trigger, ...]


Outcome = Callable[[Occurrence], tuple[Trigger, Reason | None] | None]


def plan_settlement(course: Course, outcome: Outcome, at: datetime, message: str | None = None) -> Settlement:
    """Decide each open date by `outcome`; once no date is left, the payment is summed up."""
    changes = []
    for one in course.opened:
        found = outcome(one)
        moved = found and advance_occurrence(one, found[0], at, found[1], message)
        if moved:
            changes.append((one, *moved))
    settled = {before.ordinal for before, _, _ in changes}
    still_open = tuple(one for one in course.opened if one.ordinal not in settled)
    done = course.schedule.finished and not still_open
    return Settlement(tuple(changes), still_open, verdict(_recount(course.counts, changes)) if done else ())


def first_move(occurrence: Occurrence) -> OccurrenceMove:
    """Return the move that records its birth."""
    o = occurrence
    return OccurrenceMove(o.merchant_id, o.payment_id, o.ordinal, 0, None, None, o.state, o.created_at)


def next_look(opened: Sequence[Occurrence], schedule: Schedule, at: datetime) -> datetime:
    """Return when to ask about a standing order again: closely after a date, else daily, and when the next comes."""
    if opened:
        age = at - begins_at(opened[-1].due_date, schedule.zone)
        return at + (_CLOSELY if age < _FRESH else _HOURLY if age < _RECENT else _DAILY)
    return min(at + _DAILY, schedule.next_due_at or FOR_EVER)


_STOPPED = frozenset({Reason.CANCELLED_BY_PAYER, Reason.CANCELLED_BY_CLIENT})
_FRESH, _RECENT = timedelta(hours=1), timedelta(days=5)
_CLOSELY, _HOURLY, _DAILY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)


def _recount(
    counts: Mapping[State, int], changes: Sequence[tuple[Occurrence, Occurrence, OccurrenceMove]]
) -> Mapping[State, int]:
    after = Counter(counts)
    for was, became, _ in changes:
        after[was.state] -= 1
        after[became.state] += 1
    return after


def _executes_on(day: date, is_open: OpenDay) -> date:
    # We ask banks to move what falls on a closed day to the next open one.
    while not is_open(day):
        day += timedelta(days=1)
    return day


def _at(schedule: Schedule, ordinal: int) -> Schedule:
    day = schedule.recurrence.date_of(ordinal)
    return replace(schedule, next_ordinal=ordinal, next_due_at=begins_at(day, schedule.zone) if day else None)


def _born(
    schedule: Schedule, moment: datetime, now: datetime, expires_at: datetime, chance: Callable[[int], bytes]
) -> Occurrence:
    day = schedule.recurrence.date_of(schedule.next_ordinal)
    if day is None:
        raise ValueError("a schedule that has a next date has a date")
    return Occurrence(
        merchant_id=schedule.merchant_id,
        payment_id=schedule.payment_id,
        ordinal=schedule.next_ordinal,
        guid=guid7(moment, chance(10)),
        number=payment_id(moment, chance(2)),
        due_date=day,
        created_at=now,
        updated_at=now,
        expires_at=expires_at,
    )
