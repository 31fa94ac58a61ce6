"""The banks' TPP interface: Berlin Group NextGenPSD2 1.3.11, payment initiation, redirect and decoupled.

Every answer is valid against the official file. The same X-Request-ID sent twice makes two payments: the
standard promises no more, and a TPP must not learn to rely on it.
"""

import asyncio
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from opengiro_sandbox.banks import BY_CODE, SCT, Bank
from opengiro_sandbox.desk import Desk, read_body
from opengiro_sandbox.order import Order, read_order, write_order
from opengiro_sandbox.payer import keep_up
from opengiro_sandbox.payment import (
    LINK_LIFE,
    Authorisation,
    Payment,
    awaits_execution,
    rejection,
    sca_status,
    transaction_status,
)
from opengiro_sandbox.refusals import BadBody, Refused, refusal_response
from opengiro_sandbox.words import language, say

DEGRADED_DELAY_S = 2.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one bank, with its headers checked."""

    request: Request
    desk: Desk
    bank: Bank
    request_id: str
    now: datetime

    @property
    def product(self) -> str:
        """The payment product in the path."""
        return str(self.request.path_params["product"])

    @property
    def periodic(self) -> bool:
        """Whether the path is that of standing orders."""
        return str(self.request.path_params["service"]) == "periodic-payments"

    def answer(self, body: object, status: int = 200, **headers: str) -> Response:
        """Return a JSON answer with the headers every answer carries."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return JSONResponse(body, status, {"X-Request-ID": self.request_id, **named})

    def url(self, path: str) -> str:
        """Return the absolute address of something at this bank."""
        return f"{self.desk.base_url}/{self.bank.code}{path}"

    def links(self, /, **paths: str) -> dict[str, dict[str, str]]:
        """Return paths at this bank as links, absolute or not as the bank prefers."""
        start = f"{self.desk.base_url}/{self.bank.code}"
        if self.bank.relative_links:
            start = urlsplit(start).path
        return {name: {"href": start + path} for name, path in paths.items()}

    def payment_path(self, payment: Payment) -> str:
        """Return the path of a payment's resource."""
        return f"/v1/{payment.service}/{payment.product}/{payment.id}"

    def say(self, key: str) -> str:
        """Return a sentence in the payer's language, if the TPP told us which that is."""
        return say(language(self.request.headers.get("psu-accept-language", "")), key)


Act = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Resource:
    """One address of the interface and what its methods do.

    It is an ASGI app of its own, since a bank must answer even a wrong method in the standard's form.
    """

    desk: Desk
    acts: Mapping[str, Act]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        response = await _answer(self.desk, self.acts, request)
        await response(scope, receive, send)


def routes(desk: Desk) -> list[Route]:
    """Return the interface's routes."""
    table = [Route(path, Resource(desk, acts)) for path, acts in RESOURCES.items()]
    return [*table, Route("/{bank}/v1/{rest:path}", Resource(desk, {}))]


async def _answer(desk: Desk, acts: Mapping[str, Act], request: Request) -> Response:
    request_id = request.headers.get("x-request-id", "")
    try:
        call = _open_call(desk, request)
        await _suffer(call)
        return await _choose_act(call, acts)(call)
    except Refused as refused:
        return refusal_response(refused, request_id if _is_uuid(request_id) else "")


def _open_call(desk: Desk, request: Request) -> Call:
    bank = BY_CODE.get(request.path_params["bank"])
    if bank is None:
        raise Refused("RESOURCE_UNKNOWN", "There is no such bank here.")
    request_id = request.headers.get("x-request-id", "")
    if not _is_uuid(request_id):
        raise Refused("FORMAT_ERROR", "The header X-Request-ID must be a UUID.", "X-Request-ID")
    now = desk.now()
    keep_up(desk.book, bank, now)
    return Call(request, desk, bank, request_id, now)


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None


async def _suffer(call: Call) -> None:
    """Be as slow, or as absent, as the bank's health has it."""
    health = call.desk.book.health(call.bank)
    await asyncio.sleep(call.bank.answer_delay_s + (DEGRADED_DELAY_S if health == "degraded" else 0))
    if health == "down":
        raise Refused("SERVICE_UNAVAILABLE", "The bank is not available at the moment.")


def _choose_act(call: Call, acts: Mapping[str, Act]) -> Act:
    if not acts:
        raise Refused("RESOURCE_UNKNOWN", "There is no such resource.")
    params = call.request.path_params
    if params["service"] not in _services(call.bank):
        raise Refused("SERVICE_INVALID", "This bank does not serve this payment service.")
    if params["product"] not in ((SCT,) if call.periodic else call.bank.products):
        raise Refused("PRODUCT_UNKNOWN", "This bank does not serve this payment product.")
    act = acts.get(call.request.method)
    if act is None:
        raise Refused("SERVICE_INVALID", "The method does not apply to this resource.")
    return act


def _services(bank: Bank) -> tuple[str, ...]:
    return ("payments", "periodic-payments") if bank.periodic else ("payments",)


async def initiate(call: Call) -> Response:
    """Accept a payment, and ask its payer unless the TPP is to start that itself."""
    redirect_uri, nok_uri = _return_addresses(call)
    _check_payer_address(call)
    order = await _read_order(call)
    payment = Payment(
        id=str(uuid.uuid4()),
        bank=call.bank.code,
        product=call.product,
        request_id=call.request_id,
        order=order,
        redirect_uri=redirect_uri,
        nok_uri=nok_uri,
        received_at=call.now,
        expires_at=call.now + LINK_LIFE,
        debtor_iban=order.debtor_iban,
        approved_at=None,
        rejected_at=None,
        reason="",
        cancelled_at=None,
    )
    with call.desk.book.writing():
        call.desk.book.save_payment(payment)
        authorisation = None if call.bank.explicit_start else _start(call, payment, cancels=False)
    # The payment exists from here on, whether or not the TPP is still listening when this bank answers.
    await asyncio.sleep(call.bank.initiation_hang_s)
    return _initiated(call, payment, authorisation)


def _initiated(call: Call, payment: Payment, authorisation: Authorisation | None) -> Response:
    path = call.payment_path(payment)
    links = call.links(self=path, status=f"{path}/status")
    body: dict[str, object] = {"transactionStatus": "RCVD", "paymentId": payment.id}
    if authorisation is None:
        links |= call.links(startAuthorisation=f"{path}/authorisations")
    else:
        links |= _payer_links(call, payment, authorisation)
        body |= _payer_message(call)
    return call.answer(body | {"_links": links}, 201, Location=call.url(path), ASPSP_SCA_Approach=call.bank.approach)


def _payer_links(call: Call, payment: Payment, authorisation: Authorisation) -> dict[str, dict[str, str]]:
    kind = "cancellation-authorisations" if authorisation.cancels else "authorisations"
    links = call.links(scaStatus=f"{call.payment_path(payment)}/{kind}/{authorisation.id}")
    if call.bank.approach == "REDIRECT":
        links |= call.links(scaRedirect=f"/authorise/{authorisation.token}")
    return links


def _payer_message(call: Call) -> dict[str, object]:
    return {"psuMessage": call.say("open_the_app")} if call.bank.approach == "DECOUPLED" else {}


def _start(call: Call, payment: Payment, *, cancels: bool) -> Authorisation:
    redirect_uri, nok_uri = payment.redirect_uri, payment.nok_uri
    if call.request.headers.get("tpp-redirect-uri"):
        redirect_uri, nok_uri = _return_addresses(call)
    authorisation = Authorisation(
        id=str(uuid.uuid4()),
        payment_id=payment.id,
        cancels=cancels,
        token=secrets.token_urlsafe(24),
        redirect_uri=redirect_uri,
        nok_uri=nok_uri,
        started_at=call.now,
        expires_at=call.now + LINK_LIFE,
        opened_at=None,
        account="",
        decided_at=None,
        approved=False,
    )
    call.desk.book.save_authorisation(authorisation)
    return authorisation


def _return_addresses(call: Call) -> tuple[str, str]:
    redirect_uri = _address(call, "TPP-Redirect-URI")
    if not redirect_uri and call.bank.approach == "REDIRECT":
        raise Refused("FORMAT_ERROR", "The header TPP-Redirect-URI is required.", "TPP-Redirect-URI")
    return redirect_uri, _address(call, "TPP-Nok-Redirect-URI") or redirect_uri


def _address(call: Call, name: str) -> str:
    value = call.request.headers.get(name, "")
    if value and not _is_web_address(value):
        raise Refused("FORMAT_ERROR", f"The header {name} must be an http or https address.", name)
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and value.isprintable() and " " not in value


def _check_payer_address(call: Call) -> None:
    # The official file knows IPv4 alone, so a TPP with a payer on IPv6 has to decide what it sends.
    try:
        IPv4Address(call.request.headers.get("psu-ip-address", ""))
    except ValueError as wrong:
        raise Refused("FORMAT_ERROR", "The header PSU-IP-Address must be an IPv4 address.", "PSU-IP-Address") from wrong


async def _read_order(call: Call) -> Order:
    if call.request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("FORMAT_ERROR", "The body must be application/json.", "Content-Type", status=415)
    today = call.now.astimezone(call.bank.timezone()).date()
    read = read_order(await read_body(call.request), today, periodic=call.periodic)
    if isinstance(read, list):
        raise BadBody(read)
    _check_offer(call.bank, read, deferred=read.execution_date not in {None, today})
    return read


def _check_offer(bank: Bank, order: Order, *, deferred: bool) -> None:
    path = "debtorAccount.iban"
    if not order.debtor_iban and bank.debtor_iban == "required":
        raise Refused("FORMAT_ERROR", "This bank needs the payer's IBAN.", path)
    if order.debtor_iban and not is_own_iban(bank, order.debtor_iban):
        raise Refused("RESOURCE_UNKNOWN", "This IBAN is not of this bank.", path, status=400)
    if deferred and not bank.deferred:
        path = "requestedExecutionDate"
        raise Refused("PARAMETER_NOT_SUPPORTED", "This bank executes payments at once only.", path)


def is_own_iban(bank: Bank, iban: str) -> bool:
    """Return whether an IBAN carries this bank's country and bank code."""
    start = 5 if bank.country == "IT" else 4
    return iban.startswith(bank.country) and iban.startswith(bank.bank_code, start)


async def show_payment(call: Call) -> Response:
    """Repeat the order, with its status."""
    payment = _payment(call)
    status = {"transactionStatus": transaction_status(payment, call.bank, call.now)}
    return call.answer(write_order(payment.order, payment.debtor_iban) | status)


async def show_status(call: Call) -> Response:
    """Tell the payment's status, and why it was refused."""
    payment = _payment(call)
    path = call.payment_path(payment)
    body: dict[str, object] = {
        "transactionStatus": transaction_status(payment, call.bank, call.now),
        "_links": call.links(self=path),
    }
    reason = rejection(payment, call.bank, call.now)
    if reason:
        body |= _why(call, reason)
    return call.answer(body)


def _why(call: Call, reason: str) -> dict[str, object]:
    # The official file lets a message in this place have no code but the category's own words.
    text = f"{reason}: {say('en', reason)}"
    return {
        "psuMessage": f"{call.say(reason)} ({reason})",
        "tppMessages": [{"category": "ERROR", "code": "ERROR", "text": text}],
    }


async def cancel_payment(call: Call) -> Response:
    """Cancel at once what nobody approved; ask the payer about what is waiting for its day, or its next dates."""
    payment = _payment(call)
    if not call.bank.cancellation:
        raise Refused("CANCELLATION_INVALID", "This bank does not cancel payments.")
    status = transaction_status(payment, call.bank, call.now)
    if status in {"RJCT", "CANC"}:
        raise Refused("STATUS_INVALID", f"The payment has ended already ({status}).")
    if status == "RCVD":
        call.desk.book.save_cancellation(payment, call.now)
        return Response(status_code=204, headers={"X-Request-ID": call.request_id})
    _check_stoppable(call, payment)
    if payment.order.standing and call.bank.stops_at_once:
        call.desk.book.save_cancellation(payment, call.now)
        return Response(status_code=204, headers={"X-Request-ID": call.request_id})
    path = call.payment_path(payment)
    links = call.links(self=path, status=f"{path}/status", startAuthorisation=f"{path}/cancellation-authorisations")
    return call.answer({"transactionStatus": status, "_links": links}, 202)


def _check_stoppable(call: Call, payment: Payment) -> None:
    if not awaits_execution(payment, call.bank, call.now):
        raise Refused("CANCELLATION_INVALID", "The payment is being executed and cannot be stopped.")


async def start_authorisation(call: Call) -> Response:
    """Ask the payer to approve the payment."""
    payment = _payment(call)
    status = transaction_status(payment, call.bank, call.now)
    if status != "RCVD":
        raise Refused("STATUS_INVALID", f"The payment does not wait for its payer any more ({status}).")
    return _started(call, payment, _start(call, payment, cancels=False))


async def start_cancellation(call: Call) -> Response:
    """Ask the payer to approve that the payment is cancelled."""
    payment = _payment(call)
    if not call.bank.cancellation or not awaits_execution(payment, call.bank, call.now):
        raise Refused("STATUS_INVALID", "There is no cancellation of this payment to approve.")
    return _started(call, payment, _start(call, payment, cancels=True))


def _started(call: Call, payment: Payment, authorisation: Authorisation) -> Response:
    body = {
        "scaStatus": "received",
        "authorisationId": authorisation.id,
        "_links": _payer_links(call, payment, authorisation),
    }
    return call.answer(body | _payer_message(call), 201, ASPSP_SCA_Approach=call.bank.approach)


async def list_authorisations(call: Call) -> Response:
    """List the payment's authorisations."""
    return _listed(call, cancels=False)


async def list_cancellations(call: Call) -> Response:
    """List the authorisations of the payment's cancellation."""
    return _listed(call, cancels=True)


def _listed(call: Call, *, cancels: bool) -> Response:
    found = call.desk.book.load_authorisations(_payment(call).id, cancels=cancels)
    return call.answer({"authorisationIds": [authorisation.id for authorisation in found]})


async def show_authorisation(call: Call) -> Response:
    """Tell how far the payer got in approving the payment."""
    return _told(call, cancels=False)


async def show_cancellation(call: Call) -> Response:
    """Tell how far the payer got in approving the cancellation."""
    return _told(call, cancels=True)


def _told(call: Call, *, cancels: bool) -> Response:
    payment = _payment(call)
    wanted = call.request.path_params["authorisation"]
    for authorisation in call.desk.book.load_authorisations(payment.id, cancels=cancels):
        if authorisation.id == wanted:
            return call.answer({"scaStatus": sca_status(authorisation, payment, call.now)})
    raise Refused("RESOURCE_UNKNOWN", "The payment has no such authorisation.")


def _payment(call: Call) -> Payment:
    payment = call.desk.book.load_payment(call.bank.code, call.request.path_params["payment"])
    if payment is None or (payment.service == "periodic-payments") != call.periodic:
        raise Refused("RESOURCE_UNKNOWN", "This bank knows no such payment.")
    if payment.product != call.product:
        raise Refused("PRODUCT_INVALID", "The payment is of another product.")
    return payment


_PRODUCT = "/{bank}/v1/{service}/{product}"
_PAYMENT = _PRODUCT + "/{payment}"

RESOURCES: Mapping[str, Mapping[str, Act]] = {
    _PRODUCT: {"POST": initiate},
    _PAYMENT: {"GET": show_payment, "DELETE": cancel_payment},
    f"{_PAYMENT}/status": {"GET": show_status},
    f"{_PAYMENT}/authorisations": {"GET": list_authorisations, "POST": start_authorisation},
    f"{_PAYMENT}/authorisations/{{authorisation}}": {"GET": show_authorisation},
    f"{_PAYMENT}/cancellation-authorisations": {"GET": list_cancellations, "POST": start_cancellation},
    f"{_PAYMENT}/cancellation-authorisations/{{authorisation}}": {"GET": show_cancellation},
}
