"""Payments of the powens wire: create, read, list, and the six updates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.listing import read_listing, write_page
from opengiro.dialects.powens.parties import read_party
from opengiro.dialects.powens.publickey import open_fields
from opengiro.dialects.powens.read import (
    read_account,
    read_body,
    read_flag,
    read_instructions,
    read_redirect_uri,
    read_state,
)
from opengiro.dialects.powens.schema import PaymentIn, UpdateIn
from opengiro.dialects.powens.write import View, answer, waits_for_payer, write_payment
from opengiro.domain.banks import Bank
from opengiro.domain.complaints import Complaints
from opengiro.domain.lifecycle import State
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.rights import Right
from opengiro.usecases import Standing
from opengiro.usecases.answer_bank import answer_fields, confirm_payment, resume
from opengiro.usecases.authenticate import require
from opengiro.usecases.cancel_payment import cancel_by_client
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.create_payment import CreatePayment, create_payment
from opengiro.usecases.preset_bank import preset_bank

_T = TypeVar("_T")


async def create(call: Call) -> Answer:
    """Create a payment; it answers 200, as this wire does."""
    body = read_body(call, PaymentIn)
    merchant = await call.core.merchant(call.caller.merchant_id)
    wrong = Complaints()
    redirect_uri = read_redirect_uri(body.client_redirect_uri, "client_redirect_uri", wrong)
    state = read_state(body.client_state, "client_state", wrong)
    payer = read_account(body.payer, "payer", wrong, of_payer=True)
    payer_party = read_party(body.payer_identity, "payer_identity", wrong)
    operator = read_party(body.operator_identity, "operator_identity", wrong)
    instructions = _collect(lambda: read_instructions(body, periodic=merchant.takes_periodic), wrong)
    wrong.raise_any()
    command = CreatePayment(
        merchant_id=call.caller.merchant_id,
        client_id=call.caller.client_id or "",
        dialect="powens",
        redirect_uri=redirect_uri or "",
        client_state=state,
        instructions=instructions or (),
        bank_id=_chosen_bank(call, body.connector_uuid or body.uuid, body.id_connector),
        payer=payer,
        payer_party=payer_party,
        operator_party=operator,
        defaults=_defaults(body.use_case_pay),
    )
    view = await view_of(call)
    return await create_payment(
        call.core, command, lambda payment: answer(write_payment(Standing(payment), view)), call.receipt
    )


async def read(call: Call) -> Answer:
    """Read one payment."""
    view = await view_of(call)
    payment = await own_payment(call)
    key = (payment.merchant_id, payment.payment_id)
    attempt = await call.core.store.attempts.last(*key) if waits_for_payer(payment) else None
    return answer(write_payment(Standing(payment, attempt), view))


async def list_payments(call: Call) -> Answer:
    """List the client's payments."""
    view = await view_of(call)
    return await write_page(call, read_listing(call, view.merchant), view)


async def update(call: Call) -> Answer:
    """Validate, resume, answer, confirm or cancel: which one, the body's own key says."""
    body = read_body(call, UpdateIn)
    view = await view_of(call)
    payment = await own_payment(call)
    for key, right, run in _UPDATES:
        if getattr(body, key) is not None:
            require(call.caller, right, payment_id=payment.payment_id)
            return answer(write_payment(await run(call, payment, body), view))
    text = "expected one of validated, resume, fields, psu_validate, confirm, cancel"
    raise Refused(Refusal.FIELD_MISSING, Complaint("body", text, missing=True))


async def own_payment(call: Call) -> Payment:
    """Return the payment of the path; another client's does not exist for this caller."""
    payment = await call.core.payment(call.caller.merchant_id, int(call.path["payment_id"]))
    if payment.client_id != call.caller.client_id:
        raise Refused(Refusal.NOT_FOUND)
    return payment


async def view_of(call: Call) -> View:
    """Return how this caller sees payments; sensitive data need a right of their own."""
    sensitive = read_flag(call, "show_sensitive")
    if sensitive and not (call.caller.may(Right.READ_SENSITIVE) or call.caller.may(Right.VALIDATE)):
        raise Refused(Refusal.SCOPE_MISSING)
    return View(await call.core.merchant(call.caller.merchant_id), call.core.store.banks.get, sensitive)


async def _validate(call: Call, payment: Payment, body: UpdateIn) -> Standing:
    """Choose the bank; with `validated` false the choice is kept and the payer decides later."""
    wrong = Complaints()
    webview = read_redirect_uri(body.webview_url, "webview_url", wrong, query=True)
    mechanism = body.validate_mechanism or body.validation_mechanism or "webauth"
    if not mechanism.startswith("webauth"):
        wrong.add("validate_mechanism", "starts with webauth")
    payer = read_account(body.payer, "payer", wrong, of_payer=True)
    bank_id = _chosen_bank(call, body.connector_uuid or body.uuid, body.id_connector) or payment.bank_id
    wrong.need(bank_id, "connector_uuid")
    fields = open_fields(call.core.fields_key, _given_fields(body), wrong)
    wrong.raise_any()
    if payment.state not in (State.CREATED, State.VALIDATING):
        raise Refused(Refusal.STATE_FORBIDS)
    await _check_origin(call, payment, webview or "")
    command = ChooseBank(
        merchant_id=payment.merchant_id,
        payment_id=payment.payment_id,
        bank_id=bank_id or "",
        back_to=webview or "",
        payer=payer,
        fields=fields,
        payer_ip=call.payer_ip,
        payer_agent=call.headers.get("user-agent"),
    )
    return await (choose_bank if body.validated else preset_bank)(call.core, command)


async def _resume(call: Call, payment: Payment, body: UpdateIn) -> Standing:
    if body.resume is not True:
        raise Refused(Refusal.FIELD_INVALID, Complaint("resume", "is true"))
    return await resume(call.core, payment.merchant_id, payment.payment_id)


async def _answer(call: Call, payment: Payment, body: UpdateIn) -> Standing:
    return await answer_fields(call.core, payment.merchant_id, payment.payment_id, body.fields or {})


async def _psu(_call: Call, _payment: Payment, _body: UpdateIn) -> Standing:
    # No bank we reach asks for this step, so there is never a summary to agree to.
    raise Refused(Refusal.STATE_FORBIDS)


async def _confirm(call: Call, payment: Payment, body: UpdateIn) -> Standing:
    return await confirm_payment(call.core, payment.merchant_id, payment.payment_id, yes=bool(body.confirm))


async def _cancel(call: Call, payment: Payment, body: UpdateIn) -> Standing:
    if body.cancel is not True:
        raise Refused(Refusal.FIELD_INVALID, Complaint("cancel", "is true"))
    wrong = Complaints()
    uri = read_redirect_uri(body.client_redirect_uri, "client_redirect_uri", wrong)
    read_state(body.client_state, "client_state", wrong)
    wrong.raise_any()
    application = await call.core.store.applications.load(payment.merchant_id, payment.client_id)
    if application is None or not application.may_redirect_to(uri or ""):
        raise Refused(Refusal.REDIRECT_UNREGISTERED, Complaint("client_redirect_uri", "is not registered"))
    return await cancel_by_client(call.core, payment.merchant_id, payment.payment_id)


_Update = Callable[[Call, Payment, UpdateIn], Awaitable[Standing]]
_UPDATES: tuple[tuple[str, Right, _Update], ...] = (
    ("cancel", Right.CANCEL, _cancel),
    ("confirm", Right.VALIDATE, _confirm),
    ("psu_validate", Right.VALIDATE, _psu),
    ("resume", Right.VALIDATE, _resume),
    ("validated", Right.VALIDATE, _validate),
    ("fields", Right.VALIDATE, _answer),
    ("webview_url", Right.VALIDATE, _validate),
)
"""The key that tells the six bodies apart, in the order in which it decides when several are present."""


async def _check_origin(call: Call, payment: Payment, webview: str) -> None:
    """Send payers only to origins the client registered, or to our own pages."""
    application = await call.core.store.applications.load(payment.merchant_id, payment.client_id)
    registered = {_origin(uri) for uri in application.redirect_uris} if application else set()
    if _origin(webview) not in registered | {_origin(call.core.own_url)}:
        raise Refused(Refusal.REDIRECT_UNREGISTERED, Complaint("webview_url", "is not on a registered origin"))


def _origin(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.netloc


def _chosen_bank(call: Call, uuid: str | None, number: int | None) -> str | None:
    """Return the id of the bank that a request names by uuid or by number, if it names one."""
    if uuid is None and number is None:
        return None
    banks = call.core.store.banks
    bank: Bank | None = banks.get(uuid.lower()) if uuid is not None else banks.by_number(number or 0)
    if bank is None:
        name = "connector_uuid" if uuid is not None else "id_connector"
        raise Refused(Refusal.BANK_UNKNOWN, Complaint(name, "names no connector for payments"))
    return bank.bank_id


def _given_fields(body: UpdateIn) -> dict[str, str]:
    fields = dict(body.fields or {})
    if body.use_case_pay is not None:
        fields.setdefault("use_case_pay", body.use_case_pay)
    return fields


def _defaults(use_case: str | None) -> str | None:
    return msgspec.json.encode({"use_case_pay": use_case}).decode() if use_case else None


def _collect(read: Callable[[], _T], wrong: Complaints) -> _T | None:
    """Run a reader that refuses on its own and add its complaints to ours, so that one answer names them all."""
    try:
        return read()
    except Refused as refused:
        if refused.why not in (Refusal.FIELD_MISSING, Refusal.FIELD_INVALID):
            raise
        wrong.found.extend(refused.complaints)
        return None
