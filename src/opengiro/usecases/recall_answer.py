"""Idempotency keys: the same call gets the same bytes, another body a refusal, a call that still runs a conflict."""

from __future__ import annotations

from datetime import timedelta

from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.store.answers import Answer, Claim, Kept, Receipt
from opengiro.usecases import Core

_FLIGHT_MAX = timedelta(seconds=60)
"""A key claimed longer ago than this lost its caller; the same call may run again."""
_COME_BACK_S = 2
"""Few calls take longer, unless a bank is slow."""


async def recall_answer(core: Core, receipt: Receipt) -> Answer | None:
    """Return the answer this key already has, or None when the key is free; raises `Refused`."""
    kept = await _load(core, receipt)
    return kept.answer if kept else None


async def claim_answer(core: Core, receipt: Receipt) -> Answer | Claim:
    """Return the answer this key already has, or claim it for a call that now runs; raises `Refused`.

    How long a call may run is measured in real time: a clock moved by a tester ends no call.
    """
    kept = await _load(core, receipt)
    if kept and kept.answer:
        return kept.answer
    answers, claim = core.store.answers, Claim(receipt, core.clock.real())
    write = answers.reclaim(claim, kept.claimed_at) if kept else answers.claim(claim, core.now(receipt.merchant_id))
    try:
        await core.store.commit([write])
    except Conflict:
        raise Refused(Refusal.IDEMPOTENCY_KEY_IN_FLIGHT, wait_s=_COME_BACK_S) from None
    return claim


async def _load(core: Core, receipt: Receipt) -> Kept | None:
    """Return what the key holds: an answer, or the claim of a dead caller. None says that it is free."""
    kept = await core.store.answers.load(receipt)
    now = core.now(receipt.merchant_id)
    if kept is None:
        return None
    if kept.expires_at <= now:
        await core.store.commit([core.store.answers.forget(receipt, now)])
        return None
    if kept.digest != receipt.digest:
        raise Refused(Refusal.IDEMPOTENCY_KEY_REUSED)
    if kept.answer is None and core.clock.real() - kept.claimed_at < _FLIGHT_MAX:
        raise Refused(Refusal.IDEMPOTENCY_KEY_IN_FLIGHT, wait_s=_COME_BACK_S)
    await core.store.secure()  # to give an answer again is to acknowledge again
    return kept


async def keep_answer(core: Core, claim: Claim, answer: Answer | None) -> None:
    """Save the answer of a claimed key; None frees the key, because its call was declined and changed nothing."""
    answers = core.store.answers
    await core.store.commit([answers.finish(claim, answer) if answer else answers.release(claim)])


async def forget_answers(core: Core) -> None:
    """Drop the keys of all merchants whose time is over."""
    await core.store.commit([core.store.answers.forget_old(core.clock.real())])
