"""Give the bank what it waits for: the payer's answers, or the merchant's last word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import NoneType

from opengiro.domain.attempt import Attempt, Phase
from opengiro.domain.banks import AskFields, Confirm, Connector, Decoupled, Redirect
from opengiro.domain.lifecycle import State, Trigger
from opengiro.domain.payment import Reason
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import ask_bank, listen, load_standing
from opengiro.usecases.end_payment import end_payment


async def resume(core: Core, merchant_id: int, payment_id: int) -> Standing:
    """Ask the bank about a payment whose payer approves elsewhere; refuses where there is nothing to wait for."""
    standing = await load_standing(core, merchant_id, payment_id)
    if standing.payment.final or standing.payment.state is State.PENDING:
        return standing
    _live(standing, Decoupled, Redirect, AskFields, NoneType)
    return await ask_bank(core, merchant_id, payment_id)


async def answer_fields(core: Core, merchant_id: int, payment_id: int, values: Mapping[str, str]) -> Standing:
    """Give the bank the fields it asked the payer for; refuses when it asked for none or one is missing."""
    line = core.prompt_line()
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = _live(standing, AskFields)
    answer = _connector(core, attempt).answer
    if answer is None or not isinstance(attempt.action, AskFields):
        raise Refused(Refusal.STATE_FORBIDS)
    missing = [one.name for one in attempt.action.fields if one.required and not values.get(one.name)]
    if missing:
        complaints = (Complaint(f"fields.{name}", "is required", missing=True) for name in missing)
        raise Refused(Refusal.FIELD_MISSING, *complaints)
    return await listen(core, standing, lambda errand: answer(line, errand, values))


async def confirm_payment(core: Core, merchant_id: int, payment_id: int, yes: bool) -> Standing:
    """Say the merchant's last word; refusing it rejects the payment unless the bank has a stronger reason."""
    line = core.prompt_line()
    standing = await load_standing(core, merchant_id, payment_id)
    attempt = _live(standing, Confirm)
    confirm = _connector(core, attempt).confirm
    if confirm is None:
        raise Refused(Refusal.STATE_FORBIDS)
    now = core.now(merchant_id)
    if attempt.confirm_by is not None and now >= attempt.confirm_by:
        return await end_payment(core, standing, Trigger.CONFIRMATION_LAPSED, Reason.NO_ANSWER_FROM_CUSTOMER)
    standing = await _take_word(core, standing, attempt)
    standing = await listen(core, standing, lambda errand: confirm(line, errand, yes))
    if yes or standing.payment.final:
        return standing
    return await end_payment(core, standing, Trigger.CONFIRMATION_REFUSED, Reason.CONFIRMATION_REFUSED)


async def _take_word(core: Core, standing: Standing, attempt: Attempt) -> Standing:
    """Save that the merchant answered before the bank hears of it: from here on the time to answer cannot run out.

    Should the bank not hear it after all, it will tell that it still waits, and the merchant is asked anew.
    """
    taken = replace(attempt, version=attempt.version + 1, action=None, confirm_by=None)
    try:
        await core.store.commit([core.store.attempts.update(taken, attempt)])
    except Conflict:
        raise Refused(Refusal.STATE_FORBIDS) from None
    return replace(standing, attempt=taken)


def _live(standing: Standing, *waits_for: type) -> Attempt:
    """Return the live attempt if it waits for one of these, or refuse."""
    attempt = standing.attempt
    if attempt is None or attempt.phase is Phase.ENDED or standing.payment.final:
        raise Refused(Refusal.STATE_FORBIDS)
    if not isinstance(attempt.action, waits_for):
        raise Refused(Refusal.STATE_FORBIDS)
    return attempt


def _connector(core: Core, attempt: Attempt) -> Connector:
    return core.connectors[core.bank(attempt.bank_id).connector]
