"""Idempotency keys: the same call gets the same bytes, another body a refusal, a call that still runs a conflict."""

from __future__ import annotations

from datetime import timedelta

from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.store.answers import Answer, Kept, Receipt
from opengiro.usecases import Core

_FLIGHT_MAX = timedelta(seconds=60)
"""A key claimed longer ago than this lost its caller; the same call may run again."""


async def recall_answer(core: Core, receipt: Receipt) -> Answer | None:
    """Return the answer this key already has, or None when the key is new; raises `Refused`."""
    kept = await core.store.answers.load(receipt)
    if kept is None:
        return None
    if kept.expires_at <= core.now(receipt.merchant_id):
        await core.store.commit([core.store.answers.forget(receipt)])
        return None
    if kept.digest != receipt.digest:
        raise Refused(Refusal.IDEMPOTENCY_KEY_REUSED)
    if kept.answer is None:
        await _take_over(core, receipt, kept)
        return None
    return kept.answer


async def claim_answer(core: Core, receipt: Receipt) -> Answer | None:
    """Mark a new key as in flight, or return the answer it already has; raises `Refused`."""
    kept = await core.store.answers.load(receipt)
    if kept is None:
        try:
            await core.store.commit([core.store.answers.claim(receipt, core.now(receipt.merchant_id))])
        except Conflict:
            return await claim_answer(core, receipt)
        return None
    answer = await recall_answer(core, receipt)
    if answer is None and await core.store.answers.load(receipt) is None:
        return await claim_answer(core, receipt)
    return answer


async def keep_answer(core: Core, receipt: Receipt, answer: Answer | None) -> None:
    """Save the answer of a claimed key; None frees the key, because its call was declined and changed nothing."""
    answers = core.store.answers
    await core.store.commit([answers.finish(receipt, answer) if answer else answers.forget(receipt)])


async def _take_over(core: Core, receipt: Receipt, kept: Kept) -> None:
    """Claim a key whose caller died; a caller that may still be alive is a conflict."""
    now = core.now(receipt.merchant_id)
    if now - kept.claimed_at < _FLIGHT_MAX:
        raise Refused(Refusal.IDEMPOTENCY_KEY_IN_FLIGHT)
    try:
        await core.store.commit([core.store.answers.reclaim(receipt, kept.claimed_at, now)])
    except Conflict:
        raise Refused(Refusal.IDEMPOTENCY_KEY_IN_FLIGHT) from None
