"""The addresses of the hosted checkout. GET shows; POST asks a use case, answers 303 and never leads outside.

Chromium holds the redirects that follow a form against `form-action`, so a form always ends on a page of ours, and
that page leads on to the bank or back to the shop by a refresh and a link.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import structlog
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import AskFields, Bank, Decoupled, Field, Health, Redirect
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.answer_bank import answer_fields
from opengiro.usecases.ask_bank import ask_bank
from opengiro.usecases.cancel_payment import cancel_by_payer
from opengiro.usecases.check_account import AccountFault, check_iban
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.list_banks import list_banks
from opengiro.usecases.open_checkout import Checkout, load_checkout, show_checkout
from opengiro.usecases.return_from_bank import return_from_bank
from opengiro.web.checkout import steps, view
from opengiro.web.checkout.assets import asset_route
from opengiro.web.checkout.forms import FormFault, form_token, read_form
from opengiro.web.checkout.languages import LANGUAGES, Writer, likely_country, translations, wanted_language
from opengiro.web.checkout.pages import print_page, print_trouble
from opengiro.web.checkout.search import QUERY_LENGTH_MAX
from opengiro.web.headers import page_headers

if TYPE_CHECKING:
    from starlette.requests import Request

    from opengiro.usecases import Core, Standing

Farewell = Callable[[Checkout, str], str]
"""How a dialect words the way back: a checkout, and whether the payer `finished`, `cancelled` or leaves for `later`."""

LANGUAGE_COOKIE = "opengiro_language"
_ASK_EVERY_S = 10
_WATCHED_MAX = 10_000
_ANSWER_LENGTH_MAX = 256
_log = structlog.get_logger("opengiro.checkout")


def checkout(core: Core, farewells: Mapping[str, Farewell]) -> Sequence[BaseRoute]:
    """Return the routes of the hosted pages; `farewells` says, by dialect, where payers go afterwards."""
    desk = Desk(core, farewells)
    handle = "/checkout/{handle}"
    return [
        asset_route(),
        Route(handle, desk.guarded(desk.show), methods=["GET"]),
        Route(handle + "/banks", desk.guarded(desk.search), methods=["GET"]),
        Route(handle + "/banks/{bank_id}", desk.guarded(desk.review), methods=["GET"]),
        Route(handle + "/go", desk.guarded(desk.go), methods=["GET"]),
        Route(handle + "/later", desk.guarded(desk.later), methods=["GET"]),
        Route(handle + "/status", desk.guarded(desk.status), methods=["GET"]),
        Route(handle + "/choose", desk.guarded(desk.choose), methods=["POST"]),
        Route(handle + "/answer", desk.guarded(desk.answer), methods=["POST"]),
        Route(handle + "/check", desk.guarded(desk.check), methods=["POST"]),
        Route(handle + "/cancel", desk.guarded(desk.cancel), methods=["POST"]),
        Route("/return/{ticket}", desk.guarded(desk.back_from_bank), methods=["GET"]),
        Route("/checkout/{rest:path}", desk.guarded(desk.nowhere), methods=["GET", "POST"]),
    ]


class Desk:
    """Answers browsers; it remembers nothing but when it last asked a bank for a payer who waits."""

    def __init__(self, core: Core, farewells: Mapping[str, Farewell]) -> None:
        """Serve `core`'s checkouts."""
        self._core = core
        self._farewells = farewells
        self._asked: dict[tuple[int, int], float] = {}

    def guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Turn what goes wrong into a calm page that leads nowhere by itself."""

        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request)
            except Refused as refused:
                return _trouble(request, _troubles(request, refused.why))
            except FormFault:
                return _trouble(request, view.Trouble.FORM_STALE)
            except Exception:  # noqa: BLE001  # the one place where a bug becomes a page; logged whole
                _log.exception("checkout page failed", page=answer.__name__)
                return _trouble(request, view.Trouble.OURS, 500)

        return endpoint

    # What a browser sees

    async def show(self, request: Request) -> Response:
        """Show the page for how the payment stands, or go back to the shop when the payer's part is over."""
        visit = await self._visit(request)
        if language := _language_asked(request):
            return _keep_language(language, visit)
        if steps.leaves(visit):
            return self._back_to_shop(request, visit)
        page = (
            None
            if _wants_other_bank(request, visit)
            else steps.current(self._core, visit, returned="back" in request.query_params)
        )
        if isinstance(page, view.Outcome):
            page = replace(await self._ended(visit, page), leaves_alone=True)
        return self._print(request, visit, page or self._choice(request, visit))

    async def review(self, request: Request) -> Response:
        """Show what one bank will be asked."""
        visit = await self._visit(request)
        bank = self._offered(visit, request.path_params["bank_id"])
        if not steps.may_choose(visit) or _runs_at(visit, bank):
            return _see(visit)
        if bank.health is Health.DOWN:
            return self._print(request, visit, self._choice(request, visit, failed=bank))
        return self._print(request, visit, steps.review(self._core, visit, bank))

    async def search(self, request: Request) -> Response:
        """Answer the search field while the payer types."""
        visit = await self._visit(request)
        query, country = request.query_params.get("q", "")[:QUERY_LENGTH_MAX], self._country(request, visit)
        found = steps.choose(self._core, visit, country=country, query=query)
        words = translations(_language(request, visit))
        rows = [_row(bank, visit, words.gettext) for bank in found.banks]
        return JSONResponse({"title": words.gettext("Found"), "banks": rows})

    async def go(self, request: Request) -> Response:
        """Lead on to the bank, or to wherever the payment is by now."""
        visit = await self._visit(request)
        attempt = steps.live(visit)
        if attempt is None or not isinstance(attempt.action, Redirect):
            return _see(visit)
        return self._print(request, visit, view.GoToBank(self._core.bank(attempt.bank_id), attempt.action.url))

    async def later(self, request: Request) -> Response:
        """Leave for the shop without changing anything."""
        visit = await self._visit(request)
        if steps.leaves(visit):
            return self._back_to_shop(request, visit)
        return RedirectResponse(self._farewells[visit.session.dialect](visit, "later"), 303)

    async def status(self, request: Request) -> Response:
        """Tell a waiting page whether another page is due; the bank is asked while somebody waits."""
        visit = await self._visit(request)
        writer = Writer(_language(request, visit), steps.zone_of(visit))
        news = {
            "step": steps.step_word(self._core, visit),
            "next": _base(visit),
            "checked": writer.clock(visit.now),
        }
        return JSONResponse(news, background=self._curious(visit))

    # What a browser asks for

    async def choose(self, request: Request) -> Response:
        """Start at a bank; pressing twice, or in two tabs, is one payment."""
        visit, fields = await self._form(request)
        bank = self._offered(visit, fields.get("bank", ""))
        if steps.leaves(visit) or visit.payment.final:
            return _see(visit, sent=True)
        page = steps.review(self._core, visit, bank)
        payer, complaints = _read_choice(page, fields)
        values, wrong_values = _read_asked(page.fields, fields)
        complaints |= wrong_values
        if complaints:
            wrong = replace(page, iban=fields.get("iban", "")[:64], values=fields, complaints=complaints)
            return self._print(request, visit, wrong, 422)
        command = ChooseBank(
            merchant_id=visit.payment.merchant_id,
            payment_id=visit.payment.payment_id,
            bank_id=bank.bank_id,
            back_to=self._core.own_url + _base(visit),
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
            return _after_refusal(visit, refused.why)
        return _lead_on(visit, standing)

    async def answer(self, request: Request) -> Response:
        """Give the bank what it asked for."""
        visit, fields = await self._form(request)
        attempt = steps.live(visit)
        if attempt is None or not isinstance(attempt.action, AskFields):
            return _see(visit, sent=True)
        asked = attempt.action.fields
        values, complaints = _read_asked(asked, fields)
        if complaints:
            bank = self._core.bank(attempt.bank_id)
            page = view.AnswerBank(bank=bank, fields=asked, values=values, complaints=complaints)
            return self._print(request, visit, page, 422)
        standing = await answer_fields(self._core, visit.payment.merchant_id, visit.payment.payment_id, values)
        return _lead_on(visit, standing)

    async def check(self, request: Request) -> Response:
        """Ask the bank now."""
        visit, _ = await self._form(request)
        await ask_bank(self._core, visit.payment.merchant_id, visit.payment.payment_id)
        return _see(visit, sent=True)

    async def cancel(self, request: Request) -> Response:
        """Cancel, if it is certain that no money moves; otherwise say that it is not."""
        visit, _ = await self._form(request)
        try:
            await cancel_by_payer(self._core, visit.payment.merchant_id, visit.payment.payment_id)
        except Refused:
            return _see(visit, sent=True, notice=view.Notice.NOT_STOPPED)
        return _see(visit, sent=True)

    async def back_from_bank(self, request: Request) -> Response:
        """Receive a payer from the bank, in whichever browser: ask the bank, then go on or show a receipt."""
        standing = await return_from_bank(self._core, request.path_params["ticket"], dict(request.query_params))
        back_to = standing.attempt.back_to if standing.attempt else None
        handle = _own_handle(self._core.own_url, back_to)
        if back_to and handle is None:
            return RedirectResponse(back_to, 303)
        if handle is not None:
            try:
                visit = await load_checkout(self._core, handle, _secret(request, handle))
            except Refused:
                pass
            else:
                return self._back_to_shop(request, visit) if steps.leaves(visit) else _see(visit, back=True)
        return await self._receipt(request, standing)

    async def nowhere(self, request: Request) -> Response:
        """Say that there is no such page."""
        return _trouble(request, view.Trouble.NOT_FOUND, 404)

    # How it is done

    async def _visit(self, request: Request) -> Checkout:
        handle = request.path_params["handle"]
        return await load_checkout(self._core, handle, _secret(request, handle))

    async def _form(self, request: Request) -> tuple[Checkout, Mapping[str, str]]:
        visit = await self._visit(request)
        handle = visit.session.handle
        return visit, await read_form(request, _secret(request, handle) or "", handle)

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

    async def _ended(self, visit: Checkout, page: view.Outcome) -> view.Outcome:
        """Add the way back, and tell a payer who quit on our pages from one who refused at the bank."""
        moves = await self._core.store.payments.moves(visit.payment.merchant_id, visit.payment.payment_id)
        quit_here = moves[-1].trigger is Trigger.PAYER_CANCELLED
        ending = view.Ending.CANCELLED if quit_here else page.ending
        back = self._farewells[visit.session.dialect](visit, "cancelled" if quit_here else "finished")
        return replace(page, ending=ending, back=back, reason=None if quit_here else page.reason)

    def _back_to_shop(self, request: Request, visit: Checkout) -> Response:
        url = self._farewells[visit.session.dialect](visit, "finished")
        if "sent" in request.query_params:
            return self._print(request, visit, view.GoToShop(url))
        return RedirectResponse(url, 303)

    async def _receipt(self, request: Request, standing: Standing) -> Response:
        """Show a browser without the session how the payment stands, and nothing to press but the way back."""
        payment = standing.payment
        session = await self._core.store.sessions.latest(payment.merchant_id, payment.payment_id)
        if session is None:
            raise Refused(Refusal.NOT_FOUND)
        visit = await show_checkout(self._core, session)
        page = steps.current(self._core, visit)
        if isinstance(page, view.Outcome):
            page = await self._ended(visit, page)
        else:
            page = view.Watching(what=view.Watch.PROCESSING, bank=None, checked=visit.now)
        return self._print(request, visit, page, own=False)

    def _print(
        self, request: Request, visit: Checkout, page: view.Page, status: int = 200, *, own: bool = True
    ) -> Response:
        nonce = secrets.token_urlsafe(16)
        frame = self._frame(request, visit, own=own)
        if isinstance(page, view.GoToBank | view.GoToShop | view.Outcome | view.Watching):
            frame = replace(frame, may_cancel=False, may_leave=False)
        return Response(
            print_page(page, frame, nonce),
            status,
            page_headers(nonce),
            "text/html",
            self._curious(visit) if own else None,
        )

    def _frame(self, request: Request, visit: Checkout, *, own: bool) -> view.Frame:
        handle = visit.session.handle
        notice = request.query_params.get("notice", "")
        return view.Frame(
            language=_language(request, visit),
            zone=steps.zone_of(visit),
            base=_base(visit),
            csrf=form_token(_secret(request, handle) or "", handle) if own else "",
            summary=steps.summary(visit),
            may_cancel=own and steps.may_cancel(self._core, visit),
            may_leave=own and steps.may_choose(visit),
            test=steps.is_test(self._core, visit),
            own=own,
            step=steps.step_word(self._core, visit),
            notice=view.Notice(notice) if notice in set(view.Notice) else None,
        )

    def _curious(self, visit: Checkout) -> BackgroundTask | None:
        """Ask the bank after this answer while a payer waits for it, sooner than the common schedule would."""
        attempt = steps.live(visit)
        if attempt is None or not isinstance(attempt.action, Redirect | Decoupled | None):
            return None
        key, now = (attempt.merchant_id, attempt.payment_id), time.monotonic()
        fresh = visit.now - attempt.started_at < timedelta(seconds=2)
        if fresh or now - self._asked.get(key, -_ASK_EVERY_S) < _ASK_EVERY_S:
            return None
        if len(self._asked) >= _WATCHED_MAX:
            self._asked.clear()
        self._asked[key] = now
        return BackgroundTask(ask_bank, self._core, *key)


def _read_choice(page: view.Review, fields: Mapping[str, str]) -> tuple[Account | None, dict[str, str]]:
    """Return the payer's account, if it was needed, and what is wrong with the form."""
    complaints: dict[str, str] = {}
    payer = None
    if page.needs_iban:
        try:
            payer = Account(Scheme.IBAN, check_iban(fields.get("iban", "")), "")
        except AccountFault:
            complaints["iban"] = "iban_wrong" if fields.get("iban", "").strip() else "iban_missing"
    if page.terms_url and fields.get("terms") != "yes":
        complaints["terms"] = "terms"
    return payer, complaints


def _read_asked(asked: tuple[Field, ...], fields: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the answers that were given, and what is wrong with them by the id of the element."""
    values = {one.name: fields.get(one.name, "").strip()[:_ANSWER_LENGTH_MAX] for one in asked}
    complaints = {f"field-{one.name}": word for one in asked if (word := _fault(one, values[one.name]))}
    return {name: value for name, value in values.items() if value}, complaints


def _fault(asked: Field, value: str) -> str | None:
    """Return the word for what is wrong with an answer."""
    if not value:
        return "missing" if asked.required else None
    if asked.choices:
        return None if value in dict(asked.choices) else "choice"
    if asked.regex and not re.fullmatch(asked.regex, value):
        return "pattern"
    return None


def _lead_on(visit: Checkout, standing: Standing) -> Response:
    """Go on after the bank was asked: out to it, or to the page for how the payment stands."""
    attempt = standing.attempt
    outside = attempt is not None and not standing.payment.final and isinstance(attempt.action, Redirect)
    return RedirectResponse(_base(visit) + "/go", 303) if outside else _see(visit, sent=True)


def _after_refusal(visit: Checkout, why: Refusal) -> Response:
    if why is Refusal.ATTEMPT_LIVE:
        return _see(visit, sent=True, notice=view.Notice.BANK_BUSY)
    if why in (Refusal.BANK_UNAVAILABLE, Refusal.BANK_DECLINED, Refusal.STATE_FORBIDS, Refusal.BANK_UNSUITABLE):
        return _see(visit, sent=True, bank="other" if why is not Refusal.STATE_FORBIDS else None)
    raise Refused(why)


def _see(visit: Checkout, *, back: bool = False, sent: bool = False, **query: str | None) -> Response:
    marks = {"back": "1" if back else None, "sent": "1" if sent else None, **query}
    text = urlencode({name: value for name, value in marks.items() if value is not None})
    return RedirectResponse(_base(visit) + ("?" + text if text else ""), 303)


def _base(visit: Checkout) -> str:
    return f"/checkout/{visit.session.handle}"


def _own_handle(own_url: str, back_to: str | None) -> str | None:
    """Return the handle of the checkout that an address of ours belongs to."""
    prefix = own_url + "/checkout/"
    return back_to.removeprefix(prefix) if back_to and back_to.startswith(prefix) else None


def _secret(request: Request, handle: str) -> str | None:
    return request.cookies.get(f"opengiro_{handle}")


def _wants_other_bank(request: Request, visit: Checkout) -> bool:
    """Whether the payer asked for the list of banks, by a link of ours or by searching in it."""
    asked = request.query_params.keys() & {"q", "country"} or request.query_params.get("bank") == "other"
    return bool(asked) and steps.may_choose(visit) and not visit.payment.bank_locked


def _runs_at(visit: Checkout, bank: Bank) -> bool:
    attempt = steps.live(visit)
    return attempt is not None and attempt.bank_id == bank.bank_id


def _language(request: Request, visit: Checkout | None = None) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    wished = visit.session.language if visit else None
    return wanted_language(request.headers.get("accept-language", ""), chosen, wished)


def _language_asked(request: Request) -> str | None:
    asked = request.query_params.get("lang", "")
    return asked if asked in LANGUAGES else None


def _keep_language(language: str, visit: Checkout) -> Response:
    answer = _see(visit)
    answer.set_cookie(LANGUAGE_COOKIE, language, path="/", httponly=True, samesite="lax")
    return answer


def _row(bank: Bank, visit: Checkout, say: Callable[[str], str]) -> dict[str, str | None]:
    """Return a bank as the search field draws it."""
    colour = bank.colour or view.PLAIN if view.usable(bank) else view.FADED
    return {
        "name": bank.name,
        "mark": view.monogram(bank.name),
        "colour": colour,
        "ink": view.ink(colour),
        "note": _note(bank, say),
        "href": f"{_base(visit)}/banks/{bank.bank_id}" if view.usable(bank) else None,
    }


def _note(bank: Bank, say: Callable[[str], str]) -> str:
    match bank.health:
        case Health.DOWN:
            return say("Not available right now. Please use another bank.")
        case Health.DEGRADED:
            return say("Slow or failing at times")
        case Health.HEALTHY:
            return bank.hint or ""


def _troubles(request: Request, why: Refusal) -> view.Trouble:
    """Return what to tell a browser that has no right to a checkout, by whether it ever had one."""
    if why is Refusal.TOKEN_INVALID:
        handle = request.path_params.get("handle", "")
        return view.Trouble.LINK_EXPIRED if _secret(request, handle) else view.Trouble.OTHER_BROWSER
    return view.Trouble.LINK_INVALID


def _trouble(request: Request, trouble: view.Trouble, status: int = 400) -> Response:
    nonce = secrets.token_urlsafe(16)
    body = print_trouble(trouble, _language(request), nonce)
    return Response(body, status, page_headers(nonce), "text/html")
