"""Save what a bank said of an attempt: the one door through which a bank changes a payment.

Decided from the rows as they are; when somebody was faster, they are read again and it is decided anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from opengiro.domain.attempt import Attempt, Phase, action_now, plan_next_ask, triggers_of
from opengiro.domain.banks import Bank, Confirm, Heard, NextAction
from opengiro.domain.lifecycle import State, Trigger, move
from opengiro.domain.occurrence import FOR_EVER, next_look, open_schedule
from opengiro.domain.payment import Move, Payment, advance
from opengiro.domain.recurrence import civil_day
from opengiro.store import Conflict, Write
from opengiro.usecases import Core, Standing
from opengiro.usecases.settle_occurrences import Settled, is_running, load_course, settle_heard

if TYPE_CHECKING:
    from opengiro.domain.merchants import Merchant

_TRIES = 8


@dataclass(frozen=True, slots=True)
class _Plan:
    payment: Payment
    attempt: Attempt
    moves: tuple[Move, ...]
    dates: tuple[Write, ...] = ()  #: what became of the dates of a recurring payment, or the start of its schedule


async def record_observation(core: Core, standing: Standing, heard: Heard, *, background: bool = False) -> Standing:
    """Save the observation and return where the payment stands; an attempt that ended learns nothing more.

    What overtook the bank's answer may have been a newer answer, so the older one then counts only if it moves
    the payment; and it may have been another attempt, to which an answer about this one means nothing.
    """
    payment, attempt = standing.payment, standing.attempt
    asked = attempt
    for _ in range(_TRIES):
        if attempt is None or asked is None or attempt.ordinal != asked.ordinal:
            return Standing(payment, attempt)
        if attempt.phase is Phase.ENDED or payment.final:
            return Standing(payment, attempt)
        plan = await _plan(core, payment, attempt, heard)
        if attempt.version != asked.version and attempt.bank_payment_id and not plan.moves:
            return Standing(payment, attempt)
        try:
            await _save(core, plan, payment, attempt, background)
        except Conflict:
            payment = await core.payment(payment.merchant_id, payment.payment_id)
            attempt = await core.store.attempts.last(payment.merchant_id, payment.payment_id)
            continue
        core.bell.ring(payment.merchant_id, payment.payment_id)
        return Standing(plan.payment, plan.attempt)
    raise RuntimeError("a payment kept changing while an observation was saved")


async def _plan(core: Core, payment: Payment, attempt: Attempt, heard: Heard) -> _Plan:
    now = core.now(payment.merchant_id)
    bank = core.bank(attempt.bank_id)
    merchant = await core.merchant(payment.merchant_id)
    triggers = triggers_of(payment, heard, bank, now, await _accepted_at(core, payment, bank))
    settled = await _settle_dates(core, payment, heard, bank, triggers, now)
    if settled:
        triggers = settled.triggers
    known = replace(payment, bank_payment_id=heard.bank_payment_id or payment.bank_payment_id)
    after, moves = advance(known, triggers, now, reason=heard.reason, message=heard.message, said=heard.said)
    if is_running(after) and not is_running(payment):
        after, settled = replace(after, expires_at=FOR_EVER), _started(core, after, attempt, merchant, now)
    if after != payment:
        after = replace(after, version=payment.version + 1)
    learnt = _learnt(attempt, heard, after, merchant.confirms_by_hand, now)
    if settled and is_running(after) and heard.ask_in is None:
        learnt = replace(learnt, next_ask_at=settled.look_at)
    return _Plan(after, learnt, moves, settled.writes if settled else ())


async def _settle_dates(
    core: Core, payment: Payment, heard: Heard, bank: Bank, triggers: tuple[Trigger, ...], now: datetime
) -> Settled | None:
    """Return what the bank's word means for the dates of a running recurring payment; None where it has none."""
    course = await load_course(core, payment) if triggers else None
    if course is None:
        return None
    ends = next((trigger for trigger in triggers if move(payment.state, trigger) is not None), None)
    return settle_heard(core, course, heard, bank, ends, now)


def _started(core: Core, payment: Payment, attempt: Attempt, merchant: Merchant, now: datetime) -> Settled:
    """Let the dates of a recurring payment begin to fall due."""
    recurrence = payment.recurrence
    if recurrence is None:
        raise ValueError("a periodic payment has a recurrence")
    first = attempt.starts_on or civil_day(now, merchant.zone)
    schedule = open_schedule(payment.merchant_id, payment.payment_id, recurrence.starting(first), merchant.zone)
    return Settled((core.store.occurrences.open(schedule),), look_at=next_look((), schedule, now))


def _learnt(attempt: Attempt, heard: Heard, payment: Payment, manual: bool, now: datetime) -> Attempt:
    """Return the attempt with what the bank said."""
    action = _next_action(attempt, heard, payment, manual, now)
    if isinstance(action, Confirm) and attempt.confirm_by is not None:
        action = Confirm(attempt.confirm_by)
    expires = attempt.ends_at if heard.link_expires_in is None else now + heard.link_expires_in
    return replace(
        attempt,
        version=attempt.version + 1,
        phase=Phase.ENDED if payment.final else Phase.LIVE,
        action=action,
        confirm_by=action.until if isinstance(action, Confirm) else None,
        asked=attempt.asked + 1,
        next_ask_at=_soonest(plan_next_ask(payment, attempt, heard.ask_in, now), action),
        ends_at=expires,
        bank_payment_id=heard.bank_payment_id or attempt.bank_payment_id,
        said=heard.said,
        sca=heard.sca or attempt.sca,
        message=heard.message or attempt.message,
        memory=heard.memory or attempt.memory,
    )


def _next_action(attempt: Attempt, heard: Heard, payment: Payment, manual: bool, now: datetime) -> NextAction:
    """Return the payer's next step; after approval only a cancellation that waits for the payer is left."""
    if payment.cancelling:
        return attempt.action
    if payment.final or payment.state is State.PENDING:
        return None
    return action_now(heard, manual, now)


def _soonest(ask_at: datetime | None, action: NextAction) -> datetime | None:
    """Return when to look again: no later than the end of a manual confirmation."""
    if ask_at is None or not isinstance(action, Confirm) or action.until is None:
        return ask_at
    return min(ask_at, action.until)


async def _save(core: Core, plan: _Plan, payment: Payment, attempt: Attempt, background: bool) -> None:
    writes = [core.store.attempts.update(plan.attempt, attempt), *plan.dates]
    if plan.payment != payment:
        writes += core.store.payments.save_moves(plan.payment, payment, plan.moves, background=background)
    await core.store.commit(writes)


async def _accepted_at(core: Core, payment: Payment, bank: Bank) -> datetime | None:
    """Return when the bank took the order; only asked where its silence will count."""
    if payment.state is not State.PENDING or payment.execution not in bank.no_final_status:
        return None
    moves = await core.store.payments.moves(payment.merchant_id, payment.payment_id)
    return next((moved.at for moved in moves if moved.trigger is Trigger.BANK_ACCEPTED), None)
