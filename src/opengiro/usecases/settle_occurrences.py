"""What a bank's word, or the end of an order, means for the dates of a recurring payment.

Everything here returns writes for the transaction of whoever asks, occurrences before their payment: the final event
of a transaction precedes that of its payment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opengiro.domain.banks import Bank, Heard
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.occurrence import (
    Course,
    Occurrence,
    Settlement,
    began_its_day,
    close,
    had_its_day,
    next_look,
    outcome_at_end,
    outcome_while_active,
    plan_settlement,
)
from opengiro.domain.payment import Execution, Payment, Reason
from opengiro.store import Write
from opengiro.usecases import Core
from opengiro.usecases.bank_days import is_bank_day
from opengiro.usecases.follow_schedule import follow_schedule


@dataclass(frozen=True, slots=True)
class Settled:
    """The writes, what follows for the payment, and when its bank is asked again."""

    writes: tuple[Write, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    look_at: datetime | None = None


def is_running(payment: Payment) -> bool:
    """Whether dates of this payment fall due."""
    return payment.execution is Execution.PERIODIC and payment.state is State.PENDING


async def load_course(core: Core, payment: Payment) -> Course | None:
    """Return what is known of the dates of a running payment, after creating what has fallen due."""
    if not is_running(payment):
        return None
    key = (payment.merchant_id, payment.payment_id)
    await follow_schedule(core, *key)
    door = core.store.occurrences
    schedule = await door.schedule(*key)
    if schedule is None:
        return None
    return Course(schedule, tuple(await door.opened(*key)), await door.counts(*key))


def settle_heard(core: Core, course: Course, heard: Heard, bank: Bank, ends: Trigger | None, now: datetime) -> Settled:
    """Return what the bank's word means; `ends` is the trigger by which it ended the order, None while it is active."""
    if ends is not None:
        return _end_order(core, course, ends, heard, now)
    tells_end = Execution.PERIODIC not in bank.no_final_status

    def outcome(one: Occurrence) -> tuple[Trigger, Reason | None] | None:
        passed = had_its_day(one, course.schedule.zone, is_bank_day, now)
        return outcome_while_active(one, heard.executed, had_its_day=passed, tells_end=tells_end)

    settlement = plan_settlement(course, outcome, now, heard.message)
    return Settled(
        writes_of(core, settlement), settlement.triggers, next_look(settlement.still_open, course.schedule, now)
    )  # fmt: skip


def settle_stopped(core: Core, course: Course, trigger: Trigger, reason: Reason, now: datetime) -> Settled:
    """Return what stopping the order means for its open dates, and the end of its schedule."""
    return _end_order(core, course, trigger, Heard(said="", reason=reason), now)


def _end_order(core: Core, course: Course, end: Trigger, heard: Heard, now: datetime) -> Settled:
    schedule = course.schedule

    def outcome(one: Occurrence) -> tuple[Trigger, Reason | None]:
        began = began_its_day(one, schedule.zone, is_bank_day, now)
        newest = one is course.opened[-1]
        return outcome_at_end(one, heard.executed, end, heard.reason, began_its_day=began, newest=newest)

    settlement = plan_settlement(course, outcome, now, heard.message)
    # Where every date has come, the order ended in its time, whatever the bank calls that.
    triggers = settlement.triggers if schedule.finished else (end,)
    stop = () if schedule.finished else core.store.occurrences.follow(close(schedule), schedule, ())
    return Settled((*stop, *writes_of(core, settlement)), triggers)


def writes_of(core: Core, settlement: Settlement) -> tuple[Write, ...]:
    """Return the writes that save what became of open dates."""
    save = core.store.occurrences.save_move
    return tuple(write for before, after, moved in settlement.changes for write in save(after, before, moved))
