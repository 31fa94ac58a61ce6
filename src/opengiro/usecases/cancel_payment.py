"""Cancel a payment, but only while it is certain that no money will move; the bank has the last word."""

from __future__ import annotations

from dataclasses import replace

from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import BankTrouble, Cancellation, Cancelled, Line, Redirect
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Execution, Reason
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import ask_bank, errand_of, load_standing
from opengiro.usecases.end_payment import end_payment
from opengiro.usecases.settle_occurrences import is_running

By = tuple[Trigger, Reason]
BY_CLIENT: By = (Trigger.CLIENT_CANCELLED, Reason.CANCELLED_BY_CLIENT)
BY_PAYER: By = (Trigger.PAYER_CANCELLED, Reason.CANCELLED_BY_PAYER)


async def cancel_by_client(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Cancel for the merchant: before a bank knows of it, or at the bank while it waits for its date."""
    line = core.prompt_line()
    standing = await load_standing(core, merchant_id, payment_id)
    match standing.payment.state:
        case State.CREATED if not _live(standing.attempt):
            return await end_payment(core, standing, *BY_CLIENT)
        case State.PENDING if standing.payment.execution is not Execution.INSTANT:
            return await cancel_pending(core, line, standing, BY_CLIENT)
    raise Refused(Refusal.CANCEL_UNSUPPORTED)


async def cancel_by_payer(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Cancel for the payer on a hosted page: nothing at a bank yet, or the bank forgets what nobody approved."""
    line = core.prompt_line()
    standing = await ask_bank(core, merchant_id, payment_id)
    payment, attempt = standing.payment, standing.attempt
    if payment.state not in (State.CREATED, State.VALIDATING):
        raise Refused(Refusal.CANCEL_UNSUPPORTED)
    if attempt is not None and _live(attempt):
        answer = await _ask_to_cancel(core, line, standing, attempt)
        if answer.outcome is not Cancelled.AT_ONCE:
            raise Refused(Refusal.CANCEL_UNSUPPORTED)
    return await end_payment(core, standing, *BY_PAYER)


async def cancel_pending(core: Core, line: Line, standing: Standing, by: By) -> Standing:
    """Cancel what waits for its date at the bank, or stop a standing order there; raises `Refused`.

    `line` was made before `standing` was read.
    """
    if is_running(standing.payment):
        # Once the order is gone nobody tells of its last date any more, so the bank is asked before.
        standing = await ask_bank(core, standing.payment.merchant_id, standing.payment.payment_id)
    attempt = standing.attempt
    if attempt is None or not _live(attempt):
        raise Refused(Refusal.CANCEL_UNSUPPORTED)
    answer = await _ask_to_cancel(core, line, standing, attempt)
    if answer.outcome is Cancelled.AT_ONCE:
        return await end_payment(core, standing, *by)
    if answer.outcome is Cancelled.PAYER_MUST_APPROVE and answer.url:
        return await _wait_for_payer(core, standing, attempt, answer.url)
    raise Refused(Refusal.CANCEL_UNSUPPORTED)


async def _wait_for_payer(core: Core, standing: Standing, attempt: Attempt, url: str) -> Standing:
    """Keep the link where the payer approves the cancellation; the bank's next status tells how it went."""
    ordinal = attempt.ordinal
    while standing.payment.state is State.PENDING and _live(attempt) and attempt.ordinal == ordinal:
        payment = replace(standing.payment, version=standing.payment.version + 1, cancelling=True)
        waiting = replace(attempt, version=attempt.version + 1, action=Redirect(url))
        writes = core.store.payments.save_moves(payment, standing.payment, ())
        try:
            await core.store.commit([*writes, core.store.attempts.update(waiting, attempt)])
        except Conflict:
            standing = await load_standing(core, payment.merchant_id, payment.payment_id)
            attempt = standing.attempt or attempt
            continue
        core.bell.ring(payment.merchant_id, payment.payment_id)
        return Standing(payment, waiting)
    return standing


async def _ask_to_cancel(core: Core, line: Line, standing: Standing, attempt: Attempt) -> Cancellation:
    cancel = core.canceller(core.bank(attempt.bank_id))
    if cancel is None or attempt.bank_payment_id is None:
        raise Refused(Refusal.CANCEL_UNSUPPORTED)
    try:
        return await cancel(line, errand_of(core, standing.payment, attempt))
    except BankTrouble as trouble:
        raise Refused(Refusal.CANCEL_UNSUPPORTED, detail=trouble.message) from trouble


def _live(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.phase is not Phase.ENDED
