"""The addresses of the hosted checkout. GET shows; POST asks a use case, answers 303 and never leads outside.

Chromium holds the redirects that follow a form against `form-action`, so a form always ends on a page of ours, and
that page leads on to the bank or back to the shop by a refresh and a link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.domain.banks import AskFields, Bank, Health, Redirect
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.accept_terms import accept_terms, load_terms
from opengiro.usecases.answer_bank import answer_fields
from opengiro.usecases.cancel_payment import cancel_by_payer
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.grant_live_token import grant_page_token
from opengiro.usecases.list_banks import list_banks
from opengiro.usecases.open_checkout import Checkout, load_checkout
from opengiro.usecases.return_from_bank import return_from_bank
from opengiro.usecases.stop_recurring import stop_by_payer
from opengiro.web.checkout import steps, view
from opengiro.web.checkout.assets import asset_route
from opengiro.web.checkout.curiosity import Curiosity
from opengiro.web.checkout.forms import FormFault, read_asked, read_choice, read_form
from opengiro.web.checkout.handoff import doors, print_offer
from opengiro.web.checkout.languages import Writer, likely_country
from opengiro.web.checkout.pages import print_rows
from opengiro.web.checkout.printer import Farewell, Printer
from opengiro.web.checkout.search import QUERY_LENGTH_MAX
from opengiro.web.checkout.troubles import no_right, trouble_page
from opengiro.web.checkout.visit import base_of, keep_language, language_asked, language_of, own_handle, secret_of
from opengiro.web.checkout.ways import after_refusal, lead_on, see

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.usecases import Core


def checkout(core: Core, farewells: Mapping[str, Farewell]) -> Sequence[BaseRoute]:
    """Return the routes of the hosted pages; `farewells` says, by dialect, where payers go afterwards."""
    desk = Desk(core, farewells)
    handle = "/checkout/{handle}"
    return [
        asset_route(),
        *doors(core),
        Route(handle, desk.guarded(desk.show), methods=["GET"]),
        Route(handle + "/banks", desk.guarded(desk.search), methods=["GET"]),
        Route(handle + "/banks/{bank_id}", desk.guarded(desk.review), methods=["GET"]),
        Route(handle + "/go", desk.guarded(desk.go), methods=["GET"]),
        Route(handle + "/terms", desk.guarded(desk.terms), methods=["GET"]),
        Route(handle + "/later", desk.guarded(desk.later), methods=["GET"]),
        Route(handle + "/status", desk.guarded(desk.status), methods=["GET"]),
        Route(handle + "/live", desk.guarded(desk.live), methods=["POST"]),
        Route(handle + "/handoff", desk.guarded(desk.handoff), methods=["POST"]),
        Route(handle + "/choose", desk.guarded(desk.choose), methods=["POST"]),
        Route(handle + "/answer", desk.guarded(desk.answer), methods=["POST"]),
        Route(handle + "/check", desk.guarded(desk.check), methods=["POST"]),
        Route(handle + "/cancel", desk.guarded(desk.cancel), methods=["POST"]),
        Route(handle + "/stop", desk.guarded(desk.stop), methods=["POST"]),
        Route("/return/{ticket}", desk.guarded(desk.back_from_bank), methods=["GET"]),
        Route("/checkout/{rest:path}", desk.guarded(desk.nowhere), methods=["GET", "POST"]),
    ]


class Desk:
    """Answers browsers, each by what is saved; nothing of a payer stays here between two requests."""

    def __init__(self, core: Core, farewells: Mapping[str, Farewell]) -> None:
        """Serve `core`'s checkouts."""
        self._core = core
        self._curiosity = Curiosity(core)
        self._printer = Printer(core, farewells, self._curiosity)

    def guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Turn a refusal into a calm page that leads nowhere by itself."""

        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                return no_right(request, refused.why)
            except FormFault:
                return trouble_page(request, view.Trouble.FORM_STALE)

        return endpoint

    # What a browser sees

    async def show(self, request: Request) -> Response:
        """Show the page for how the payment stands, or go back to the shop when the payer's part is over."""
        visit = await self._visit(request)
        if language := language_asked(request):
            return keep_language(see(visit), language)
        if steps.leaves(visit) and not steps.runs(visit):
            return self._printer.back_to_shop(request, visit)
        page = (
            None
            if _wants_other_bank(request, visit)
            else steps.current(self._core, visit, returned="back" in request.query_params)
        )
        if isinstance(page, view.Outcome):
            page = replace(await self._printer.ended(visit, page), leaves_alone=True)
        if isinstance(page, view.Standing):
            page = replace(page, back=self._printer.way_back(visit, "finished"))
        return self._printer.answer(request, visit, page or self._choice(request, visit))

    async def review(self, request: Request) -> Response:
        """Show what one bank will be asked."""
        visit = await self._visit(request)
        bank = self._offered(visit, request.path_params["bank_id"])
        if not steps.may_choose(visit) or _runs_at(visit, bank):
            return see(visit)
        if bank.health is Health.DOWN:
            return self._printer.answer(request, visit, self._choice(request, visit, failed=bank))
        return self._printer.answer(request, visit, steps.review(self._core, visit, bank))

    async def terms(self, request: Request) -> Response:
        """Show what the payer is asked to agree to."""
        visit = await self._visit(request)
        terms = await load_terms(self._core, visit.payment.merchant_id)
        if terms is None:
            return see(visit)
        return self._printer.answer(request, visit, view.TermsText(terms.content, terms.language))

    async def search(self, request: Request) -> Response:
        """Answer the search field while the payer types."""
        visit = await self._visit(request)
        query = request.query_params.get("q", "")[:QUERY_LENGTH_MAX]
        found = steps.choose(self._core, visit, country=self._country(request, visit), query=query)
        body = print_rows(found.banks, base_of(visit), language_of(request, visit))
        return Response(body, media_type="application/json")

    async def go(self, request: Request) -> Response:
        """Lead on to the bank, or to wherever the payment is by now."""
        visit = await self._visit(request)
        attempt = steps.live(visit)
        if attempt is None or not isinstance(attempt.action, Redirect):
            return see(visit, sent=True)
        return self._printer.answer(request, visit, view.GoToBank(self._core.bank(attempt.bank_id), attempt.action.url))

    async def later(self, request: Request) -> Response:
        """Leave for the shop without changing anything."""
        visit = await self._visit(request)
        if steps.leaves(visit):
            return self._printer.back_to_shop(request, visit)
        url = self._printer.way_back(visit, "later")
        return RedirectResponse(url, 303) if url else see(visit)

    async def status(self, request: Request) -> Response:
        """Tell a waiting page whether another page is due; the bank is asked while somebody waits."""
        visit = await self._visit(request)
        writer = Writer(language_of(request, visit), steps.zone_of(visit))
        news = {
            "step": steps.step_word(self._core, visit),
            "next": base_of(visit),
            "checked": writer.clock(visit.now),
        }
        return JSONResponse(news, background=self._curiosity.later(visit))

    async def live(self, request: Request) -> Response:
        """Give a waiting page a token with which it follows its payment."""
        visit = await self._visit(request)
        grant = await grant_page_token(self._core, visit.payment)
        return JSONResponse({"url": f"/live/{visit.payment.payment_id}", "token": grant.token})

    async def handoff(self, request: Request) -> Response:
        """Offer the payment to another device while its bank is still to be chosen."""
        visit = await self._visit(request)
        if not steps.may_choose(visit):
            return Response(status_code=409)
        body = await print_offer(self._core, visit.payment, visit.session.handle)
        return Response(body, media_type="application/json")

    # What a browser asks for

    async def choose(self, request: Request) -> Response:
        """Start at a bank; pressing twice, or in two tabs, is one payment."""
        visit, fields = await self._form(request)
        bank = self._offered(visit, fields.get("bank", ""))
        if steps.leaves(visit) or visit.payment.final:
            return see(visit, sent=True)
        page = steps.review(self._core, visit, bank)
        payer, complaints = read_choice(page, fields)
        values, wrong_values = read_asked(page.fields, fields)
        complaints |= wrong_values
        if complaints:
            wrong = replace(page, iban=fields.get("iban", "")[:64], values=fields, complaints=complaints)
            return self._printer.answer(request, visit, wrong, 422)
        if visit.terms:
            await accept_terms(self._core, visit.payment, visit.terms.terms_id)
        command = ChooseBank(
            merchant_id=visit.payment.merchant_id,
            payment_id=visit.payment.payment_id,
            bank_id=bank.bank_id,
            back_to=self._core.own_url + base_of(visit),
            payer=payer,
            fields=values,
            payer_ip=request.client.host if request.client else None,
            payer_agent=request.headers.get("user-agent", "")[:256] or None,
            keep_open=True,
            switch=True,
        )
        try:
            standing = await choose_bank(self._core, command)
        except Refused as refused:
            return after_refusal(visit, refused.why)
        return lead_on(visit, standing)

    async def answer(self, request: Request) -> Response:
        """Give the bank what it asked for."""
        visit, fields = await self._form(request)
        attempt = steps.live(visit)
        if attempt is None or not isinstance(attempt.action, AskFields):
            return see(visit, sent=True)
        asked = attempt.action.fields
        values, complaints = read_asked(asked, fields)
        if complaints:
            bank = self._core.bank(attempt.bank_id)
            page = view.AnswerBank(bank=bank, fields=asked, values=values, complaints=complaints)
            return self._printer.answer(request, visit, page, 422)
        try:
            standing = await answer_fields(self._core, visit.payment.merchant_id, visit.payment.payment_id, values)
        except Refused:
            return see(visit, sent=True)  # the bank stopped waiting for it meanwhile
        return lead_on(visit, standing)

    async def check(self, request: Request) -> Response:
        """Ask the bank now."""
        visit, _ = await self._form(request)
        await self._curiosity.now(visit)
        return see(visit, sent=True)

    async def cancel(self, request: Request) -> Response:
        """Cancel, if it is certain that no money moves; otherwise say that it is not."""
        visit, _ = await self._form(request)
        try:
            await cancel_by_payer(self._core, visit.payment.merchant_id, visit.payment.payment_id)
        except Refused:
            return see(visit, sent=True, notice=view.Notice.NOT_STOPPED)
        return see(visit, sent=True)

    async def stop(self, request: Request) -> Response:
        """Stop a recurring payment; where the bank wants the payer's approval, lead on to it."""
        visit, _ = await self._form(request)
        payment = visit.payment
        try:
            standing = await stop_by_payer(self._core, payment.merchant_id, payment.payment_id)
        except Refused:
            return see(visit, sent=True, notice=view.Notice.NOT_STOPPED)
        return lead_on(visit, standing)

    async def back_from_bank(self, request: Request) -> Response:
        """Receive a payer from the bank, in whichever browser: ask the bank, then go on or show a receipt."""
        standing = await return_from_bank(self._core, request.path_params["ticket"], dict(request.query_params))
        back_to = standing.attempt.back_to if standing.attempt else None
        handle = own_handle(self._core.own_url, back_to)
        if back_to and handle is None:
            return RedirectResponse(back_to, 303)
        if handle is not None:
            try:
                visit = await load_checkout(self._core, handle, secret_of(request, handle))
            except Refused:
                pass
            else:
                return self._printer.back_to_shop(request, visit) if steps.leaves(visit) else see(visit, back=True)
        return await self._printer.receipt(request, standing, handle)

    async def nowhere(self, request: Request) -> Response:
        """Say that there is no such page."""
        return trouble_page(request, view.Trouble.NOT_FOUND, 404)

    # How it is done

    async def _visit(self, request: Request) -> Checkout:
        handle = request.path_params["handle"]
        return await load_checkout(self._core, handle, secret_of(request, handle))

    async def _form(self, request: Request) -> tuple[Checkout, Mapping[str, str]]:
        visit = await self._visit(request)
        handle = visit.session.handle
        return visit, await read_form(request, secret_of(request, handle) or "", handle)

    def _offered(self, visit: Checkout, bank_id: str) -> Bank:
        """Return a bank that this payment may be made with, or refuse."""
        for bank in list_banks(self._core, visit.payment, hidden=True):
            if bank.bank_id == bank_id:
                return bank
        raise Refused(Refusal.BANK_UNKNOWN)

    def _choice(self, request: Request, visit: Checkout, failed: Bank | None = None) -> view.Page:
        """Return the page where a bank is chosen, or the one bank the shop decided on."""
        bank = steps.preselected(self._core, visit)
        if bank is not None and (visit.payment.bank_locked or request.query_params.get("bank") != "other"):
            return steps.review(self._core, visit, bank)
        query = request.query_params.get("q", "")[:QUERY_LENGTH_MAX]
        return steps.choose(self._core, visit, country=self._country(request, visit), query=query, failed=failed)

    def _country(self, request: Request, visit: Checkout) -> str:
        offered = steps.countries(self._core, visit)
        asked = request.query_params.get("country", "").upper()
        if asked in offered:
            return asked
        return likely_country(request.headers.get("accept-language", ""), offered, steps.home_country(visit))


def _wants_other_bank(request: Request, visit: Checkout) -> bool:
    """Whether the payer asked for the list of banks, by a link of ours or by searching in it."""
    asked = request.query_params.keys() & {"q", "country"} or request.query_params.get("bank") == "other"
    return bool(asked) and steps.may_choose(visit) and not visit.payment.bank_locked


def _runs_at(visit: Checkout, bank: Bank) -> bool:
    attempt = steps.live(visit)
    return attempt is not None and attempt.bank_id == bank.bank_id
