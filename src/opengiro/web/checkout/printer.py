"""Prints a checkout's page for the browser that asked: what stands around it, and the way back to the shop."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from opengiro.domain.lifecycle import Trigger
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.open_checkout import Checkout, show_checkout
from opengiro.web.checkout import steps, view
from opengiro.web.checkout.forms import form_token
from opengiro.web.checkout.pages import print_page
from opengiro.web.checkout.visit import base_of, language_of, secret_of
from opengiro.web.checkout.ways import see
from opengiro.web.headers import page_headers

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.usecases import Core, Standing
    from opengiro.web.checkout.curiosity import Curiosity

Farewell = Callable[[Checkout, str], str | None]
"""How a dialect words the way back: a checkout, and whether the payer `finished`, `cancelled` or leaves for `later`.

None says that there is no way back: the page was opened by itself and can be closed.
"""


class Printer:
    """Answers with pages of checkouts."""

    def __init__(self, core: Core, farewells: Mapping[str, Farewell], curiosity: Curiosity) -> None:
        """Print for `core`'s checkouts; `farewells` says, by dialect, where payers go afterwards."""
        self._core = core
        self._farewells = farewells
        self._curiosity = curiosity

    def answer(
        self, request: Request, visit: Checkout, page: view.Page, status: int = 200, *, own: bool = True
    ) -> Response:
        """Answer with a page; a browser that does not hold the session sees a receipt that is not its `own`."""
        nonce = secrets.token_urlsafe(16)
        frame = self._frame(request, visit, own=own)
        if isinstance(page, view.GoToBank | view.GoToShop | view.Outcome | view.Standing | view.Watching):
            frame = replace(frame, may_cancel=False, may_leave=own and _lasts(page) and _has_shop(visit))
        return Response(
            print_page(page, frame, nonce),
            status,
            page_headers(nonce),
            "text/html",
            self._curiosity.later(visit) if own else None,
        )

    def way_back(self, visit: Checkout, leaving: str) -> str | None:
        """Return the shop's address for a payer who leaves like this."""
        return self._farewells[visit.session.dialect](visit, leaving)

    def back_to_shop(self, request: Request, visit: Checkout) -> Response:
        """Leave for the shop; a form may not lead outside, so after one a page of ours does."""
        url = self.way_back(visit, "finished")
        if url is None:
            return see(visit)
        if "sent" in request.query_params:
            return self.answer(request, visit, view.GoToShop(url))
        return RedirectResponse(url, 303)

    async def ended(self, visit: Checkout, page: view.Outcome) -> view.Outcome:
        """Add the way back, and tell a payer who quit on our pages from one who refused at the bank."""
        moves = await self._core.store.payments.moves(visit.payment.merchant_id, visit.payment.payment_id)
        quit_here = moves[-1].trigger is Trigger.PAYER_CANCELLED
        ending = view.Ending.CANCELLED if quit_here else page.ending
        back = self.way_back(visit, "cancelled" if quit_here else "finished")
        return replace(page, ending=ending, back=back, reason=None if quit_here else page.reason)

    async def receipt(self, request: Request, standing: Standing, handle: str | None) -> Response:
        """Show a browser without the session how the payment stands, and nothing to press but the way back."""
        payment, sessions = standing.payment, self._core.store.sessions
        session = await sessions.load(payment.merchant_id, handle) if handle else None
        session = session or await sessions.latest(payment.merchant_id, payment.payment_id)
        if session is None:
            raise Refused(Refusal.NOT_FOUND)
        visit = await show_checkout(self._core, session)
        page = steps.current(self._core, visit)
        if isinstance(page, view.Outcome):
            page = await self.ended(visit, page)
        elif isinstance(page, view.Standing):
            page = replace(page, stopping=False)  # to approve that, the session is needed
        else:
            page = view.Watching(what=view.Watch.PROCESSING, bank=None, checked=visit.now)
        return self.answer(request, visit, page, own=False)

    def _frame(self, request: Request, visit: Checkout, *, own: bool) -> view.Frame:
        handle = visit.session.handle
        return view.Frame(
            language=language_of(request, visit),
            zone=steps.zone_of(visit),
            base=base_of(visit),
            csrf=form_token(secret_of(request, handle) or "", handle) if own else "",
            summary=steps.summary(visit),
            may_cancel=own and steps.may_cancel(self._core, visit),
            may_leave=own and steps.may_choose(visit) and _has_shop(visit),
            test=steps.is_test(self._core, visit),
            own=own,
            step=steps.step_word(self._core, visit),
            notice=_notice(request) or steps.notice(visit),
        )


def _notice(request: Request) -> view.Notice | None:
    asked = request.query_params.get("notice", "")
    return view.Notice(asked) if asked in set(view.Notice) else None


def _lasts(page: view.Page) -> bool:
    """Whether a page may stay for longer than a payer waits: an unclear answer is cleared up within 20 minutes."""
    return isinstance(page, view.Watching) and page.what is view.Watch.UNKNOWN


def _has_shop(visit: Checkout) -> bool:
    return visit.payment.redirect_uri is not None
