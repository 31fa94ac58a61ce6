"""How a payment stands, in the words and with the signs that the widget shows, and what the shop's page is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Payment, Reason
from opengiro.domain.steps import Step
from opengiro.usecases import Standing
from opengiro.usecases.change_settings import SUCCESS_ELSEWHERE
from opengiro.usecases.follow_payment import step_now
from opengiro.web.checkout import steps
from opengiro.web.checkout.languages import Writer, translations
from opengiro.web.checkout.view import Ending
from opengiro.web.checkout.wording import ENDINGS, WHY, Words
from opengiro.web.widget.wording import STEPS

if TYPE_CHECKING:
    from opengiro.usecases import Core
    from opengiro.usecases.open_checkout import Checkout

Receipt = Callable[[Payment], Mapping[str, str | None] | None]
"""How a dialect tells a page that a payment succeeded; None when it did not."""

ENDED = frozenset({State.DONE, State.ACCEPTED, State.PARTIAL, State.REJECTED, State.EXPIRED})


class NewsOut(msgspec.Struct, frozen=True):
    """What the widget shows now."""

    panel: str  #: choose, wait or end
    state: str
    step: str | None
    tone: str
    title: str
    money: str
    then: str
    taken: bool  #: another device took the payment over
    receipt: Mapping[str, str | None] | None  #: for the shop's page, once it succeeded


async def tell(core: Core, checkout: Checkout, receipt: Receipt | None, language: str) -> NewsOut:
    """Return how a payment stands."""
    payment = checkout.payment
    taken = await core.store.claims.taken(payment.merchant_id, payment.payment_id)
    step = None if payment.final else await step_now(core, Standing(payment, checkout.attempt))
    over = payment.state in ENDED or payment.state is State.PENDING
    words = _ending(checkout) if over or step is None else STEPS[step]
    facts = _facts(core, checkout, language)
    say = translations(language).gettext
    reason = steps.reason(checkout) if payment.state is State.REJECTED else None
    return NewsOut(
        panel="end" if payment.state in ENDED else "choose" if step is Step.CHOOSING_BANK else "wait",
        state=payment.state.value,
        step=step,
        tone=words.tone,
        title=say(words.title) % facts,
        money=" ".join(say(text) % facts for text in (words.money, WHY[reason] if reason else None) if text),
        then=say(words.then) % facts if words.then else "",
        taken=taken,
        receipt=receipt(payment) if receipt and not (taken and _silent(checkout)) else None,
    )


def _silent(checkout: Checkout) -> bool:
    return checkout.merchant.settings.get(SUCCESS_ELSEWHERE) == "0"


def _ending(checkout: Checkout) -> Words:
    ending = steps.ending(checkout)
    if ending is Ending.REJECTED and checkout.payment.reason is Reason.CANCELLED_BY_PAYER:
        return ENDINGS[Ending.CANCELLED]
    return ENDINGS[ending]


def _facts(core: Core, checkout: Checkout, language: str) -> Mapping[str, str]:
    """Return what sentences name."""
    writer, summary = Writer(language, steps.zone_of(checkout)), steps.summary(checkout)
    ends = State.PENDING is checkout.payment.state
    until = steps.outcome(core, checkout).until if ends else None
    return {
        "shop": summary.shop,
        "amount": writer.money(summary.amount),
        "payee": summary.payee,
        "until": writer.instant(until) if until else "",
        "date": writer.day(summary.execution_date) if summary.execution_date else "",
    }
