"""What no bank has: the directory of banks, each bank's book laid open, and the levers of the sandbox.

The ledger is written from the banks' own facts alone, so tests can hold a payment server's account against it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opengiro_sandbox.banks import BANKS, BY_CODE, Bank, entry
from opengiro_sandbox.clock import Clock, Shift
from opengiro_sandbox.desk import Desk, read_body
from opengiro_sandbox.order import decimal
from opengiro_sandbox.payer import balance, keep_up
from opengiro_sandbox.payment import Payment, rejection, sca_status, transaction_status
from opengiro_sandbox.refusals import Refused

STATIC = {"bank.css": "text/css", "phone.js": "text/javascript"}
KEPT = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}


class HealthOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that sets a bank's health."""

    code: str
    health: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the sandbox itself."""

    request: Request
    desk: Desk

    def bank(self) -> Bank:
        """Return the bank in the path."""
        return BY_CODE[self.request.path_params["bank"]]


Show = Callable[[Asked], Awaitable[Response]]


def routes(desk: Desk, clock: Clock | None) -> list[Route]:
    """Return the routes; the clock can be moved only where it is the sandbox's own."""
    table: list[Route] = [
        Route("/banks", _with(desk, list_banks)),
        Route("/control/health", _with(desk, set_health), methods=["POST"]),
        Route("/{bank}/ledger", _with(desk, show_ledger)),
        Route("/{bank}/logo.svg", _with(desk, show_logo)),
        Route("/{bank}/theme.css", _with(desk, show_theme)),
        Route("/static/{name}", _with(desk, show_static)),
    ]
    if clock:
        table.append(Route("/control/time", _with(desk, _mover(clock)), methods=["GET", "POST"]))
    return table


def _with(desk: Desk, show: Show) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if "bank" in request.path_params and request.path_params["bank"] not in BY_CODE:
            return _refuse("There is no such bank here.", 404)
        return await show(Asked(request, desk))

    return endpoint


def _refuse(text: str, status: int) -> Response:
    return JSONResponse({"error": text}, status)


async def list_banks(asked: Asked) -> Response:
    """List the banks for a payment server's directory."""
    desk = asked.desk
    return JSONResponse([entry(bank, desk.base_url, desk.book.health(bank)) for bank in BANKS])


async def set_health(asked: Asked) -> Response:
    """Make a bank healthy, degraded (slow) or down."""
    try:
        order = msgspec.json.decode(await read_body(asked.request), type=HealthOrder)
    except (msgspec.DecodeError, Refused):
        return _refuse('A JSON body such as {"code": "horizon", "health": "down"} is expected.', 400)
    bank = BY_CODE.get(order.code)
    if bank is None or order.health not in {"healthy", "degraded", "down"}:
        return _refuse("The bank is unknown, or the health is none of healthy, degraded, down.", 400)
    asked.desk.book.save_health(bank, order.health)
    return JSONResponse({"code": bank.code, "health": order.health})


def _mover(clock: Clock) -> Show:
    async def move(asked: Asked) -> Response:
        if asked.request.method == "POST":
            try:
                clock.shift(msgspec.json.decode(await read_body(asked.request), type=Shift))
            except (msgspec.DecodeError, Refused, OverflowError):
                return _refuse('Expected: {"advance_s": 60}, {"now": "2026-03-31T06:00:00Z"} or {"reset": true}.', 400)
        return JSONResponse({"now": clock.now().isoformat()})

    return move


async def show_ledger(asked: Asked) -> Response:
    """Lay open every initiation the bank accepted, and the accounts."""
    bank, desk = asked.bank(), asked.desk
    now = desk.now()
    keep_up(desk.book, bank, now)
    payments = [_ledger_line(desk, bank, payment) for payment in desk.book.load_payments(bank.code)]
    accounts = [
        {"iban": account.iban, "label": account.label, "balance": decimal_signed(balance(desk.book, account))}
        for account in bank.accounts
    ]
    return JSONResponse({"bank": bank.code, "now": now.isoformat(), "payments": payments, "accounts": accounts})


def decimal_signed(minor: int) -> str:
    """Return cents as the wire writes them, below zero too."""
    return ("-" if minor < 0 else "") + decimal(abs(minor))


def _ledger_line(desk: Desk, bank: Bank, payment: Payment) -> dict[str, Any]:
    now, order = desk.now(), payment.order
    authorisations = [
        *desk.book.load_authorisations(payment.id, cancels=False),
        *desk.book.load_authorisations(payment.id, cancels=True),
    ]
    return {
        "payment_id": payment.id,
        "x_request_id": payment.request_id,
        "product": payment.product,
        "end_to_end_id": order.end_to_end_id,
        "amount": decimal(order.amount),
        "currency": order.currency,
        "creditor_name": order.creditor_name,
        "creditor_iban": order.creditor_iban,
        "debtor_iban": payment.debtor_iban,
        "remittance": order.remittance,
        "execution_date": order.execution_date.isoformat() if order.execution_date else None,
        "received_at": payment.received_at.isoformat(),
        "approved_at": payment.approved_at.isoformat() if payment.approved_at else None,
        "status": transaction_status(payment, bank, now),
        "reason": rejection(payment, bank, now),
        "standing": _standing_line(desk, payment),
        "debited": decimal_signed(-desk.book.moved_by(payment.id)),
        "authorisations": [
            {
                "authorisation_id": authorisation.id,
                "cancels": authorisation.cancels,
                "sca_status": sca_status(authorisation, payment, now),
                "sca_redirect": f"{desk.base_url}/{bank.code}/authorise/{authorisation.token}",
            }
            for authorisation in authorisations
        ],
    }


def _standing_line(desk: Desk, payment: Payment) -> dict[str, Any] | None:
    standing = payment.order.standing
    if standing is None:
        return None
    executions = [
        {"due": execution.due.isoformat(), "at": execution.at.isoformat(), "reason": execution.reason}
        for execution in desk.book.load_executions(payment.id)
    ]
    return {
        "frequency": standing.frequency,
        "start": standing.start.isoformat(),
        "end": standing.end.isoformat() if standing.end else None,
        "executions": executions,
    }


async def show_logo(asked: Asked) -> Response:
    """Draw the bank's mark."""
    bank = asked.bank()
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-6 -6 52 52" width="52" height="52">'
        f'<rect x="-6" y="-6" width="52" height="52" rx="12" fill="{bank.colour}"/><path d="{bank.mark}" fill="none"'
        f' stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )
    return Response(svg, headers=KEPT, media_type="image/svg+xml")


async def show_theme(asked: Asked) -> Response:
    """Give the bank's colour to its pages; a file of its own, since their policy allows no inline style."""
    bank = asked.bank()
    return Response(f":root {{ --brand: {bank.colour}; }}\n", headers=KEPT, media_type="text/css")


async def show_static(asked: Asked) -> Response:
    """Serve one of our own files."""
    name = asked.request.path_params["name"]
    if name not in STATIC:
        return _refuse("There is no such file.", 404)
    content = files(__package__).joinpath("static", name).read_bytes()
    return Response(content, headers=KEPT, media_type=STATIC[name])
