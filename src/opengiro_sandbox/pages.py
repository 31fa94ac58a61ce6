"""What the payer sees: the bank's consent pages behind a link, and its phone app.

Everything works by plain forms. Which step a link is at is kept with the authorisation, so reloading, going back
and clicking twice land on the page that is true now.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from opengiro_sandbox import words
from opengiro_sandbox.banks import BY_CODE, INSTANT, Bank
from opengiro_sandbox.desk import Desk, read_body
from opengiro_sandbox.payer import account_of, answer, balance, keep_up, offered_accounts
from opengiro_sandbox.payment import Authorisation, Payment, execution_start, is_dead
from opengiro_sandbox.refusals import Refused

HEADERS = {
    # Chromium holds every hop after a form against form-action: the TPP's page, and then the merchant's page that
    # the TPP forwards to, whose address a bank cannot know. So any web address is allowed.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self';"
        " form-action 'self' http: https:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a payer's browser to one bank."""

    request: Request
    desk: Desk
    bank: Bank
    lang: str
    now: datetime

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """Return a page of this bank in the payer's language."""
        html = (
            _templates()
            .get_template(template)
            .render(
                bank=self.bank,
                lang=self.lang,
                home=f"{self.desk.base_url}/{self.bank.code}",
                static=f"{self.desk.base_url}/static",
                say=lambda key, **values: words.say(self.lang, key, **values),
                money=lambda minor: words.money(self.lang, minor),
                groups=words.iban_groups,
                **facts,
            )
        )
        return Response(html, status, HEADERS | {"Content-Language": self.lang}, "text/html")

    def notice(self, key: str, status: int = 200, way_out: str = "") -> Response:
        """Return a calm page of one sentence."""
        title = "done_title" if key.startswith("done_") else f"{key}_title"
        return self.page("notice.html", status, title=title, key=key, way_out=way_out, sign=SIGNS[key])

    def go(self, path: str) -> Response:
        """Send the browser to another page of this bank."""
        return leave(f"{self.desk.base_url}/{self.bank.code}{path}")

    async def form(self) -> dict[str, str]:
        """Return the posted fields."""
        body = await read_body(self.request)
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
        except ValueError as wrong:
            raise Refused("FORMAT_ERROR", "There are more fields than any form has.") from wrong
        return {name: values[0] for name, values in fields.items()}


@dataclass(frozen=True, slots=True)
class Ask:
    """A link that still waits for the payer's answer."""

    visit: Visit
    authorisation: Authorisation
    payment: Payment

    @property
    def path(self) -> str:
        """The link's path at this bank."""
        return f"/authorise/{self.authorisation.token}"


# What is drawn in a circle above a notice: a tick, a cross, a clock's hands, a dash.
SIGNS = {
    "done_approved": "M15 25l6 6 12-13",
    "done_refused": "M17 17l14 14M31 17L17 31",
    "expired": "M24 13v11l7 5",
    "closed": "M16 24h16",
    "unknown": "M16 24h16",
}

Show = Callable[[Visit], Awaitable[Response]]


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("opengiro_sandbox"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def leave(address: str) -> Response:
    """Send the browser on with a GET."""
    return RedirectResponse(address, 303, HEADERS)


def routes(desk: Desk) -> list[Route]:
    """Return the pages' routes."""
    return [Route(path, _serve(desk, show), methods=[method]) for (method, path), show in PAGES.items()]


def _serve(desk: Desk, show: Show) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        bank = BY_CODE.get(request.path_params["bank"])
        if bank is None:
            return Response("There is no such bank here.", 404, media_type="text/plain")
        lang = words.language(request.headers.get("accept-language", ""))
        visit = Visit(request, desk, bank, lang, desk.now())
        keep_up(desk.book, bank, visit.now)
        try:
            return await show(visit)
        except Refused:
            # Nothing but a body no browser would send: too long, or too many fields.
            return visit.notice("unknown", 400)

    return endpoint


def _ask(visit: Visit) -> Ask | Response:
    """Return what the link asks, or the page that tells why it asks nothing any more."""
    found = visit.desk.book.load_by_token(visit.bank.code, visit.request.path_params["token"])
    if found is None:
        return visit.notice("unknown", 404)
    authorisation, payment = found
    if authorisation.decided_at:
        return _answered(visit, authorisation, payment)
    if not is_dead(authorisation, payment, visit.now):
        return Ask(visit, authorisation, payment)
    if payment.approved_at and not authorisation.cancels:
        return visit.notice("closed", way_out=authorisation.redirect_uri)
    key = "expired" if visit.now >= authorisation.expires_at else "closed"
    return visit.notice(key, way_out=authorisation.nok_uri)


def went_well(authorisation: Authorisation, payment: Payment) -> bool:
    """Return whether the payer approved and the bank could do it."""
    return authorisation.approved and not (payment.rejected_at and not authorisation.cancels)


def _answered(visit: Visit, authorisation: Authorisation, payment: Payment) -> Response:
    well = went_well(authorisation, payment)
    way_out = authorisation.redirect_uri if well else authorisation.nok_uri
    return visit.notice("done_approved" if well else "done_refused", way_out=way_out)


async def show_login(visit: Visit) -> Response:
    """Show the login form."""
    ask = _ask(visit)
    return _login(ask) if isinstance(ask, Ask) else ask


def _login(ask: Ask, error: str = "") -> Response:
    return ask.visit.page("login.html", 422 if error else 200, ask=ask, error=error)


async def log_in(visit: Visit) -> Response:
    """Let any demo user in."""
    ask = _ask(visit)
    if not isinstance(ask, Ask):
        return ask
    form = await visit.form()
    if not form.get("user", "").strip() or not form.get("password"):
        return _login(ask, "fill_both")
    visit.desk.book.open_authorisation(ask.authorisation.id, visit.now)
    return visit.go(f"{ask.path}/{'approve' if ask.authorisation.cancels else 'account'}")


def _logged_in(visit: Visit) -> Ask | Response:
    ask = _ask(visit)
    if isinstance(ask, Ask) and ask.authorisation.opened_at is None:
        return visit.go(ask.path)
    return ask


def account_lines(ask: Ask) -> list[dict[str, object]]:
    """Return the accounts on offer, each with what is left on it and whether that is enough."""
    lines: list[dict[str, object]] = []
    for account in offered_accounts(ask.visit.bank, ask.payment):
        left = balance(ask.visit.desk.book, account)
        trouble = "too_little" if left < ask.payment.order.amount else ""
        lines.append({"account": account, "left": left, "trouble": "is_blocked" if account.blocked else trouble})
    return lines


async def show_accounts(visit: Visit) -> Response:
    """Show the accounts to pay from."""
    ask = _logged_in(visit)
    return _accounts(ask) if isinstance(ask, Ask) else ask


def _accounts(ask: Ask, error: str = "") -> Response:
    lines = account_lines(ask)
    chosen = ask.authorisation.account or offered_accounts(ask.visit.bank, ask.payment)[0].iban
    return ask.visit.page("accounts.html", 422 if error else 200, ask=ask, lines=lines, chosen=chosen, error=error)


async def choose_account(visit: Visit) -> Response:
    """Take the account to pay from."""
    ask = _logged_in(visit)
    if not isinstance(ask, Ask):
        return ask
    iban = (await visit.form()).get("account", "")
    if not _is_offered(ask, iban):
        return _accounts(ask, "pick_one")
    visit.desk.book.choose_account(ask.authorisation.id, iban)
    return visit.go(f"{ask.path}/approve")


def _is_offered(ask: Ask, iban: str) -> bool:
    return iban in {account.iban for account in offered_accounts(ask.visit.bank, ask.payment)}


async def show_approval(visit: Visit) -> Response:
    """Show what is to be approved."""
    ask = _logged_in(visit)
    if isinstance(ask, Ask) and not ask.authorisation.account and not ask.authorisation.cancels:
        return visit.go(f"{ask.path}/account")
    return _approval(ask) if isinstance(ask, Ask) else ask


def _approval(ask: Ask, error: str = "") -> Response:
    code = security_code(ask.authorisation)
    return ask.visit.page(
        "approve.html", 422 if error else 200, ask=ask, lines=order_lines(ask), code=code, error=error
    )


def security_code(authorisation: Authorisation) -> str:
    """Return the six digits that the payer's imagined device shows."""
    return f"{int(sha256(authorisation.token.encode()).hexdigest(), 16) % 1_000_000:06d}"


def order_lines(ask: Ask) -> list[tuple[str, str, str]]:
    """Return what the law wants shown before approval: label, value and the value's kind, empty lines left out."""
    order, bank, lang = ask.payment.order, ask.visit.bank, ask.visit.lang
    iban = ask.authorisation.account or ask.payment.debtor_iban
    source = words.say(lang, account_of(bank, iban).label) if iban else ""
    lines = [
        ("payee", order.creditor_name, "text"),
        ("payee_iban", words.iban_groups(order.creditor_iban), "iban"),
        ("message", order.remittance, "text"),
        ("reference", order.reference or order.end_to_end_id, "text"),
        ("from_account", f"{source}\n{words.iban_groups(iban)}" if iban else "", "iban"),
        ("kind", words.say(lang, _kind(ask.payment)), "text"),
        ("execution", _execution(ask), "text"),
    ]
    return [line for line in lines if line[1]]


def _kind(payment: Payment) -> str:
    if payment.order.standing:
        return "standing"
    return "instant" if payment.product == INSTANT else "standard"


def _execution(ask: Ask) -> str:
    standing, lang = ask.payment.order.standing, ask.visit.lang
    if standing:
        until = words.say(lang, "until", day=words.day(lang, standing.end)) if standing.end else ""
        often = words.say(lang, standing.frequency)
        return words.say(lang, "repeated", often=often, day=words.day(lang, standing.start), until=until)
    zone = ask.visit.bank.timezone()
    day = ask.payment.order.execution_date
    start = execution_start(ask.payment, ask.visit.bank)
    if day is None or (start or ask.visit.now).astimezone(zone).date() > day:
        return words.say(ask.visit.lang, "at_once")
    if day == ask.visit.now.astimezone(zone).date():
        return words.say(ask.visit.lang, "at_once")
    return words.day(ask.visit.lang, day)


async def decide(visit: Visit) -> Response:
    """Take the payer's answer and send them back to the TPP."""
    ask = _logged_in(visit)
    if not isinstance(ask, Ask):
        return _sent_back(visit, ask)
    form = await visit.form()
    decision = form.get("decision", "")
    if decision == "approve" and _code_is_wrong(ask, form):
        return _approval(ask, "code_wrong")
    if decision not in {"approve", "refuse"}:
        return _approval(ask)
    token = ask.authorisation.token
    answer(visit.desk.book, visit.bank, token, decision == "approve", visit.now)
    return _sent_back(visit, visit.notice("closed"))


def _code_is_wrong(ask: Ask, form: Mapping[str, str]) -> bool:
    return form.get("code", security_code(ask.authorisation)).replace(" ", "") != security_code(ask.authorisation)


def _sent_back(visit: Visit, otherwise: Response) -> Response:
    """Return the way to the TPP that fits the outcome; a second click finds the outcome of the first."""
    found = visit.desk.book.load_by_token(visit.bank.code, visit.request.path_params["token"])
    if found is None or found[0].decided_at is None:
        return otherwise
    authorisation, payment = found
    address = authorisation.redirect_uri if went_well(authorisation, payment) else authorisation.nok_uri
    return leave(address) if address else otherwise


async def show_phone(visit: Visit) -> Response:
    """Show the bank's app with what waits for approval; from now on the payer is taken to answer in person."""
    if visit.bank.approach != "DECOUPLED":
        return visit.notice("unknown", 404)
    asks = _waiting(visit)
    for ask in asks:
        visit.desk.book.open_authorisation(ask.authorisation.id, visit.now)
    cards = [{"ask": ask, "accounts": account_lines(ask), "lines": order_lines(ask)} for ask in asks]
    said = OUTCOMES.get(visit.request.query_params.get("answered", ""), "")
    return visit.page("phone.html", cards=cards, said=said, version=_version(asks))


def _waiting(visit: Visit) -> list[Ask]:
    waiting = []
    for authorisation in visit.desk.book.load_undecided(visit.bank.code):
        payment = visit.desk.book.load_payment(visit.bank.code, authorisation.payment_id)
        if payment and not is_dead(authorisation, payment, visit.now):
            waiting.append(Ask(visit, authorisation, payment))
    return waiting


def _version(asks: list[Ask]) -> str:
    return sha256(" ".join(ask.authorisation.id for ask in asks).encode()).hexdigest()[:16]


async def tell_phone_version(visit: Visit) -> Response:
    """Tell which list the phone would show, so that its page knows when to load again."""
    return Response(_version(_waiting(visit)), headers=HEADERS, media_type="text/plain")


async def decide_on_phone(visit: Visit) -> Response:
    """Take an answer given in the app."""
    form = await visit.form()
    decision = form.get("decision", "")
    for ask in _waiting(visit):
        if ask.authorisation.id == form.get("authorisation") and decision in {"approve", "refuse"}:
            if _is_offered(ask, form.get("account", "")):
                visit.desk.book.choose_account(ask.authorisation.id, form["account"])
            token = ask.authorisation.token
            answer(visit.desk.book, visit.bank, token, decision == "approve", visit.now)
            return visit.go(f"/phone?answered={_outcome(visit, token)}")
    return visit.go("/phone")


def _outcome(visit: Visit, token: str) -> str:
    found = visit.desk.book.load_by_token(visit.bank.code, token)
    return (found[1].reason or "approved") if found else ""


# What the app says after an answer: the outcome in its address, and the words for it.
OUTCOMES = {"approved": "phone_done_approved", "DS02": "phone_done_refused", "AM04": "AM04", "AC06": "AC06"}

_LINK = "/{bank}/authorise/{token}"

PAGES: Mapping[tuple[str, str], Show] = {
    ("GET", _LINK): show_login,
    ("POST", _LINK): log_in,
    ("GET", f"{_LINK}/account"): show_accounts,
    ("POST", f"{_LINK}/account"): choose_account,
    ("GET", f"{_LINK}/approve"): show_approval,
    ("POST", f"{_LINK}/approve"): decide,
    ("GET", "/{bank}/phone"): show_phone,
    ("POST", "/{bank}/phone"): decide_on_phone,
    ("GET", "/{bank}/phone/version"): tell_phone_version,
}
