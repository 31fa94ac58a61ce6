"""Ask a bank how an attempt stands, and save the answer. Asking is always safe; nothing is ever sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date

from opengiro.domain.attempt import INITIATING_MAX, Attempt, Phase, plan_next_ask
from opengiro.domain.banks import BankTrouble, Cancelled, Errand, Heard, Order
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Execution, Instruction, Payment
from opengiro.domain.sepa_text import NAME_LENGTH_MAX, sepa_reference, sepa_text
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.record_observation import record_observation


async def ask_bank(core: Core, merchant_id: int, payment_id: int, *, background: bool = False) -> Standing:
    """Return where a payment stands after asking its bank, if there is a bank to ask."""
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED or standing.payment.final:
        return standing
    if attempt.bank_payment_id is None:
        return await _give_up_unheard(core, standing, attempt)
    connector = core.connectors[core.bank(attempt.bank_id).connector]
    standing = await listen(core, standing, lambda errand: connector.observe(core.line, errand), background=background)
    return await _lapse(core, standing)


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
    payment, attempt = standing.payment, standing.attempt
    if attempt is None:
        return standing
    try:
        heard = await ask(errand_of(core, payment, attempt))
    except BankTrouble as trouble:
        return await _postpone(core, standing, attempt, trouble)
    standing = await record_observation(core, standing, heard, background=background)
    merchant = await core.merchant(payment.merchant_id)
    if heard.awaits_us and not merchant.confirms_by_hand and not standing.payment.final and standing.attempt:
        confirm = core.connectors[core.bank(attempt.bank_id).connector].confirm
        if confirm:
            heard = await confirm(core.line, errand_of(core, standing.payment, standing.attempt), True)  # noqa: FBT003  # the slot is positional
            standing = await record_observation(core, standing, heard, background=background)
    return standing


def errand_of(core: Core, payment: Payment, attempt: Attempt) -> Errand:
    """Return all that a connector may know of an attempt."""
    now = core.now(payment.merchant_id)
    return Errand(
        bank=core.bank(attempt.bank_id),
        orders=tuple(_order(payment, one, now.date()) for one in payment.instructions),
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


def _order(payment: Payment, one: Instruction, today: date) -> Order:
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
    )


async def _give_up_unheard(core: Core, standing: Standing, attempt: Attempt) -> Standing:
    """End an attempt whose bank never answered, once no payer can approve it any more.

    Its bank gave us no id to ask by and no browser got its link, so it can only have waited at the bank.
    """
    now = core.now(attempt.merchant_id)
    lost = attempt.phase is Phase.INITIATING and now - attempt.started_at >= INITIATING_MAX
    if now >= attempt.ends_at:
        return await save_attempt(core, standing, replace(attempt, phase=Phase.ENDED, next_ask_at=None))
    if lost:
        return await save_attempt(core, standing, replace(attempt, phase=Phase.UNKNOWN, next_ask_at=attempt.ends_at))
    return await save_attempt(core, standing, replace(attempt, next_ask_at=attempt.ends_at))


async def _lapse(core: Core, standing: Standing) -> Standing:
    """Withdraw an attempt that its payer let lie beyond the life of the bank's link, so that another may start."""
    attempt = standing.attempt
    waiting = standing.payment.state is State.VALIDATING and attempt is not None and attempt.phase is Phase.LIVE
    if not waiting or attempt is None or core.now(attempt.merchant_id) < attempt.ends_at:
        return standing
    if attempt.confirm_by is not None or not await withdraw(core, standing.payment, attempt):
        return standing
    return await save_attempt(core, standing, replace(attempt, phase=Phase.ENDED, action=None, next_ask_at=None))


async def withdraw(core: Core, payment: Payment, attempt: Attempt) -> bool:
    """Ask the bank to forget an attempt nobody approved; whether it did, and so can pay no more."""
    cancel = core.connectors[core.bank(attempt.bank_id).connector].cancel
    if cancel is None or attempt.bank_payment_id is None:
        return False
    try:
        answer = await cancel(core.line, errand_of(core, payment, attempt))
    except BankTrouble:
        return False
    return answer.outcome is Cancelled.AT_ONCE


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
