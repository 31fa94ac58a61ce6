"""Where a browser goes next: always to a page of ours, which leads on by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from opengiro.domain.banks import Redirect
from opengiro.domain.refusals import Refusal, Refused
from opengiro.web.checkout.view import Notice
from opengiro.web.checkout.visit import base_of

if TYPE_CHECKING:
    from opengiro.usecases import Standing
    from opengiro.usecases.open_checkout import Checkout


def see(visit: Checkout, *, back: bool = False, sent: bool = False, **query: str | None) -> Response:
    """Show how the payment stands; the marks tell that page what just happened."""
    marks = {"back": "1" if back else None, "sent": "1" if sent else None, **query}
    text = urlencode({name: value for name, value in marks.items() if value is not None})
    return RedirectResponse(base_of(visit) + ("?" + text if text else ""), 303)


def lead_on(visit: Checkout, standing: Standing) -> Response:
    """Go on after the bank was asked: out to it, or to the page for how the payment stands."""
    attempt = standing.attempt
    outside = attempt is not None and not standing.payment.final and isinstance(attempt.action, Redirect)
    return RedirectResponse(base_of(visit) + "/go", 303) if outside else see(visit, sent=True)


def after_refusal(visit: Checkout, why: Refusal) -> Response:
    """Go on after a bank was not asked, or said no; raises `Refused` where no page of the payment can say so."""
    if why is Refusal.ATTEMPT_LIVE:
        return see(visit, sent=True, notice=Notice.BANK_BUSY)
    if why in (Refusal.BANK_UNAVAILABLE, Refusal.BANK_DECLINED, Refusal.STATE_FORBIDS, Refusal.BANK_UNSUITABLE):
        return see(visit, sent=True, bank="other" if why is not Refusal.STATE_FORBIDS else None)
    raise Refused(why)
