"""Ask a bank how an attempt stands, and save the answer. Asking is always safe; nothing is ever sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta

from opengiro.domain.attempt import INITIATING_MAX, Attempt, Phase, plan_next_ask
from opengiro.domain.banks import BankTrouble, Cancelled, Errand, Heard, Line, Order
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Execution, Instruction, Payment
from opengiro.domain.sepa_text import NAME_LENGTH_MAX, sepa_reference, sepa_text
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.record_observation import record_observation


async def ask_bank(core: Core, merchant_id: int, payment_id: int, *, background: bool = False) -> Standing:
    """Return where a payment stands after asking its bank, if there is a bank to ask."""
    line = core.prompt_line()
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED or standing.payment.final or core.held:
        return standing
    if attempt.bank_payment_id is None:
        return await _give_up_unheard(core, standing, attempt)
    connector = core.connectors[core.bank(attempt.bank_id).connector]
    standing = await listen(core, standing, lambda errand: connector.observe(core.line, errand), background=background)
    return await _lapse(core, line, standing)


async def load_standing(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Return a payment with its newest attempt as they are saved."""
    payment = await core.payment(merchant_id, payment_id)
    return Standing(payment, await core.store.attempts.last(merchant_id, payment_id))


async def listen(
    core: Core, standing: Standing, ask: Callable[[Errand], Awaitable[Heard]], *, background: bool = False
) -> Standing:
    """Run one exchange with the bank of a live attempt and save what it said.

    A bank that waits for our confirmation gets it at once, unless the merchant confirms by hand. Trouble is
    saved as trouble: the schedule asks again.
    """
    line = core.prompt_line()
    payment, attempt = standing.payment, standing.attempt
    if attempt is None or core.held:
        return standing
    try:
        heard = await ask(errand_of(core, payment, attempt))
    except BankTrouble as trouble:
        return await _postpone(core, standing, attempt, trouble)
    standing = await record_observation(core, standing, heard, background=background)
    if heard.awaits_us and _lives_on(standing, attempt):
        return await _confirm_at_once(core, line, standing, background=background)
    return standing


def _lives_on(standing: Standing, attempt: Attempt) -> bool:
    """Whether this attempt is still the one that may pay."""
    now = standing.attempt
    return now is not None and now.ordinal == attempt.ordinal and now.phase is not Phase.ENDED


async def _confirm_at_once(core: Core, line: Line, standing: Standing, *, background: bool) -> Standing:
    """Give the bank the word it waits for, unless the merchant wants to give it; trouble makes us ask again."""
    payment, attempt = standing.payment, standing.attempt
    merchant = await core.merchant(payment.merchant_id)
    if attempt is None or merchant.confirms_by_hand:
        return standing
    confirm = core.connectors[core.bank(attempt.bank_id).connector].confirm
    if confirm is None:
        return standing
    try:
        heard = await confirm(line, errand_of(core, payment, attempt), True)  # noqa: FBT003  # the slot is positional
    except BankTrouble as trouble:
        return await _postpone(core, standing, attempt, trouble)
    return await record_observation(core, standing, heard, background=background)


def errand_of(core: Core, payment: Payment, attempt: Attempt) -> Errand:
    """Return all that a connector may know of an attempt."""
    now = core.now(payment.merchant_id)
    return Errand(
        bank=core.bank(attempt.bank_id),
        orders=tuple(_order(payment, one, now.date(), attempt.starts_on) for one in payment.instructions),
        request_id=attempt.request_id,
        return_url=attempt.return_url,
        own_url=core.own_url,
        started_at=attempt.started_at,
        now=now,
        fields=attempt.fields,
        payer_ip=attempt.payer_ip,
        payer_agent=attempt.payer_agent,
        bank_payment_id=attempt.bank_payment_id,
        memory=attempt.memory,
        said=attempt.said,
    )


def _order(payment: Payment, one: Instruction, today: date, starts_on: date | None) -> Order:
    """Word an instruction for the bank: its alphabet, and a date that has not passed."""
    due = one.execution_date if one.execution is Execution.DEFERRED else None
    return Order(
        amount=one.amount,
        payee=replace(one.payee, holder=sepa_text(one.payee.holder, NAME_LENGTH_MAX)),
        label=sepa_text(one.label),
        reference_id=sepa_reference(one.reference_id),
        execution=one.execution,
        # A date that passed while the payer made up their mind means: as soon as possible.
        requested_date=due if due and due > today else None,
        payer=payment.payer,
        recurrence=one.recurrence.starting(starts_on) if one.recurrence and starts_on else one.recurrence,
    )


async def _give_up_unheard(core: Core, standing: Standing, attempt: Attempt) -> Standing:
    """End an attempt whose bank never answered, once no payer can have approved it.

    Its bank gave us no id to ask by. Where payers are sent to the bank, no browser got the link, so the order can
    only have waited there. Where the bank wakes the payer's phone, it may have been approved: nobody will ever
    tell us, so the attempt stays unknown and no other may start, until the payment's own time is over.
    """
    age = core.now(attempt.merchant_id) - attempt.started_at
    if attempt.phase is Phase.INITIATING and timedelta() <= age < INITIATING_MAX:
        return standing  # its caller still speaks with the bank
    over = age >= attempt.ends_at - attempt.started_at
    if over and not core.bank(attempt.bank_id).decoupled:
        return await end_attempt(core, standing)
    again = None if over else attempt.ends_at
    return await save_attempt(core, standing, replace(attempt, phase=Phase.UNKNOWN, next_ask_at=again))


async def _lapse(core: Core, line: Line, standing: Standing) -> Standing:
    """Withdraw an attempt that its payer let lie beyond the life of the bank's link, so that another may start."""
    attempt = standing.attempt
    waiting = standing.payment.state is State.VALIDATING and attempt is not None and attempt.phase is Phase.LIVE
    if not waiting or attempt is None or core.now(attempt.merchant_id) < attempt.ends_at:
        return standing
    if attempt.confirm_by is not None or not await withdraw(core, line, standing.payment, attempt):
        return standing
    return await end_attempt(core, standing)


async def withdraw(core: Core, line: Line, payment: Payment, attempt: Attempt) -> bool:
    """Ask the bank to forget an attempt nobody approved; whether it did, and so can pay no more."""
    cancel = core.canceller(core.bank(attempt.bank_id))
    if cancel is None or attempt.bank_payment_id is None:
        return False
    try:
        answer = await cancel(line, errand_of(core, payment, attempt))
    except BankTrouble:
        return False
    return answer.outcome is Cancelled.AT_ONCE


async def end_attempt(core: Core, standing: Standing) -> Standing:
    """Save that the attempt can pay no more, whatever was learnt of it meanwhile."""
    attempt = standing.attempt
    while attempt is not None and _lives_on(standing, attempt):
        attempt = standing.attempt or attempt
        ended = replace(attempt, phase=Phase.ENDED, action=None, next_ask_at=None)
        standing = await save_attempt(core, standing, ended)
    return standing


async def _postpone(core: Core, standing: Standing, attempt: Attempt, trouble: BankTrouble) -> Standing:
    """Keep the bank's trouble and ask again later, no earlier than it wants."""
    again = plan_next_ask(standing.payment, attempt, trouble.retry_after, core.now(attempt.merchant_id))
    return await save_attempt(core, standing, replace(attempt, asked=attempt.asked + 1, next_ask_at=again))


async def save_attempt(core: Core, standing: Standing, attempt: Attempt) -> Standing:
    """Save what changed of an attempt alone; when somebody was faster, return what they saved."""
    if standing.attempt is None or attempt == standing.attempt:
        return standing
    attempt = replace(attempt, version=standing.attempt.version + 1)
    try:
        await core.store.commit([core.store.attempts.update(attempt, standing.attempt)])
    except Conflict:
        return await load_standing(core, attempt.merchant_id, attempt.payment_id)
    core.bell.ring(attempt.merchant_id, attempt.payment_id)
    return Standing(standing.payment, attempt)
