"""Read what happened to a payment since a move that the follower knows. The moves are the events; nothing is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opengiro.domain.lifecycle import FINAL
from opengiro.domain.payment import Move
from opengiro.domain.steps import Step, step_of
from opengiro.usecases import Core, Standing
from opengiro.usecases.ask_bank import load_standing

FROM_THE_START = -1
"""What somebody knows who knows no move yet: the first has ordinal 0."""


@dataclass(frozen=True, slots=True)
class News:
    """The moves a follower has not seen, oldest first, and what is waited for now; `final` after the last move."""

    moves: Sequence[Move]
    step: Step | None
    final: bool


async def read_news(core: Core, merchant_id: int, payment_id: int, after: int) -> News:
    """Return the news of a payment; a follower who knows more than there is gets all of it.

    The attempt is read before the moves, so a step is never newer than the last move told with it. Knowing too much
    happens after a restore from a backup, and silence would then hide how the payment ended.
    """
    standing = await load_standing(core, merchant_id, payment_id)
    moves = await core.store.payments.moves(merchant_id, payment_id)
    final = moves[-1].target in FINAL
    known = after if after <= moves[-1].ordinal else FROM_THE_START
    unseen = tuple(moved for moved in moves if moved.ordinal > known)
    return News(unseen, None if final else await step_now(core, standing), final)


async def step_now(core: Core, standing: Standing) -> Step | None:
    """Return what a payment waits for, and whether its payer went on to another device to do it."""
    payment, step = standing.payment, step_of(standing.payment, standing.attempt)
    if step is Step.CHOOSING_BANK and await core.store.claims.taken(payment.merchant_id, payment.payment_id):
        return Step.ON_PHONE
    return step
