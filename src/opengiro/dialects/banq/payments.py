"""Payments and transactions of the banq wire: ask to be paid, read one, list them."""

from __future__ import annotations

from datetime import date

from opengiro.dialects import Answer, Call
from opengiro.dialects.banq.bearer import Reach, reach_of
from opengiro.dialects.banq.complaints import Complaints
from opengiro.dialects.banq.read import (
    read_body,
    read_comment,
    read_date,
    read_funds,
    read_guid,
    read_number,
    read_order_code,
    read_page,
)
from opengiro.dialects.banq.schema import PaidLinkIn, PaymentsOut, TransactionsOut
from opengiro.dialects.banq.wording import FREQUENCIES, ONCE
from opengiro.dialects.banq.write import Facts, answer, write_paid_link, write_payment, write_transaction
from opengiro.domain.identifiers import link_code, payment_guid_of
from opengiro.domain.payment import Execution, Payment
from opengiro.domain.recurrence import civil_day
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.sepa_text import sepa_text
from opengiro.domain.spaces import MerchantAccount
from opengiro.usecases.create_payment import CreatePayment, NewInstruction, create_payment

DIALECT = "banq"
PREFIX = "/api"

PAGE = {"limit": "how many, newest first, at most 1000", "offset": "how many to skip"}
QUERY = {**PAGE, "externalOrderCode": "the merchant's own order id"}


async def get_paid_link(call: Call) -> Answer:
    """Create a payment to one of the caller's accounts and answer with the link that opens it (BD6)."""
    reach = await reach_of(call)
    body = read_body(call, PaidLinkIn)
    wrong = Complaints()
    account = _destination(body, reach, wrong)
    instruction = await _instruction(call, body, account, wrong)
    order_code = read_order_code(body.external_order_code, wrong)
    wrong.raise_any()
    if account is None or instruction is None:
        raise Refused(Refusal.FIELD_INVALID)
    code = link_code(call.core.chance)
    command = CreatePayment(
        merchant_id=call.caller.merchant_id,
        client_id=call.caller.client_id or "",
        dialect=DIALECT,
        redirect_uri=None,
        client_state=None,
        instructions=(instruction,),
        order_code=order_code,
        account_id=account.account_id,
        link_code=code,
    )
    merchant = await call.core.merchant(call.caller.merchant_id)
    facts = Facts(account=account, space=reach.spaces[account.space_id], zone=merchant.zone, url=_url(call, code))
    return await create_payment(
        call.core, command, lambda payment: answer(write_paid_link(payment, facts), 201), call.receipt
    )


async def read_payment(call: Call) -> Answer:
    """Read a payment by its guid or its number (BD10)."""
    reach = await reach_of(call)
    payment = await _find(call, read_guid(call.path["resource"]))
    return answer(write_payment(payment, await _facts(call, payment, reach)))


async def read_transaction(call: Call) -> Answer:
    """Read a transaction by its guid or its number (BD10)."""
    reach = await reach_of(call)
    guid = read_guid(call.path["resource"])
    payment = await _find(call, payment_guid_of(guid) if guid else None)
    if payment.execution is Execution.PERIODIC:
        raise Refused(Refusal.NOT_FOUND)
    return answer(write_transaction(payment, await _facts(call, payment, reach)))


async def list_payments(call: Call) -> Answer:
    """List payments to the caller's accounts (BD18)."""
    reach = await reach_of(call)
    payments, total = await _page(call, reach)
    written = [write_payment(one, await _facts(call, one, reach)) for one in payments]
    return answer(PaymentsOut(payments=written, total=total))


async def list_transactions(call: Call) -> Answer:
    """List transactions to the caller's accounts (BD18)."""
    reach = await reach_of(call)
    payments, total = await _page(call, reach, f"p.execution <> '{Execution.PERIODIC}'")
    written = [write_transaction(one, await _facts(call, one, reach)) for one in payments]
    return answer(TransactionsOut(transactions=written, total=total))


def _destination(body: PaidLinkIn, reach: Reach, wrong: Complaints) -> MerchantAccount | None:
    given = wrong.need(body.destination, "destination")
    if given is None or wrong.need(given.banq_guid, "destination.banqGuid") is None:
        return None
    account = reach.accounts.get(read_guid(given.banq_guid) or "")
    if account is None:
        wrong.add("destination.banqGuid", "is no banq of this caller")
    return account


async def _instruction(
    call: Call, body: PaidLinkIn, account: MerchantAccount | None, wrong: Complaints
) -> NewInstruction | None:
    merchant = await call.core.merchant(call.caller.merchant_id)
    label = read_comment(body.comment, wrong)
    due = _due(body, civil_day(call.core.now(merchant.merchant_id), merchant.zone), wrong)
    if account is None:
        return None
    if body.currency and body.currency.upper() != account.currency:
        wrong.add("currency", "is the currency of the destination banq")
    funds = read_funds(body.funds, account.currency, wrong)
    if funds is None:
        return None
    return NewInstruction(
        amount=funds,
        label=label or _label(body, merchant.name),
        execution=Execution.DEFERRED if due else Execution.INSTANT,
        payee=account.payee,
        execution_date=due,
    )


def _label(body: PaidLinkIn, name: str) -> str:
    """Return what payer and bank read when there is no comment: the order's own code, else whom they pay."""
    code = str(body.external_order_code or "")
    return code if len(code) <= 140 and sepa_text(code).strip() else name


def _due(body: PaidLinkIn, today: date, wrong: Complaints) -> date | None:
    """Return the date of a payment that is scheduled; one that has passed means at once (BD12)."""
    frequency = (body.frequency or ONCE).lower()
    if frequency in FREQUENCIES:
        raise Refused(Refusal.FEATURE_DISABLED, Complaint("frequency", "recurring payments are not enabled"))
    if frequency != ONCE:
        wrong.add("frequency", f"is {ONCE} or one of {', '.join(FREQUENCIES)}")
    start = read_date(body.start_date, "startDate", wrong)
    return start if start and start > today else None


async def _find(call: Call, guid: str | None) -> Payment:
    """Return the payment of a guid, or of the number that the path holds instead."""
    door, merchant_id = call.core.store.payments, call.caller.merchant_id
    number = read_number(call.path["resource"])
    payment = None
    if guid is not None:
        payment = await door.find(merchant_id, guid)
    elif number is not None:
        payment = await door.load(merchant_id, number)
    if payment is None:
        raise Refused(Refusal.NOT_FOUND)
    return payment


async def _facts(call: Call, payment: Payment, reach: Reach) -> Facts:
    """Return what is printed besides the payment; one to an account out of reach does not exist for the caller."""
    account = reach.accounts.get(payment.account_id or "")
    if account is None:
        raise Refused(Refusal.NOT_FOUND)
    store, key = call.core.store, (payment.merchant_id, payment.payment_id)
    code = await store.links.code(*key)
    return Facts(
        account=account,
        space=reach.spaces[account.space_id],
        zone=(await call.core.merchant(payment.merchant_id)).zone,
        moves=await store.payments.moves(*key),
        url=_url(call, code) if code else None,
    )


async def _page(call: Call, reach: Reach, *where: str) -> tuple[list[Payment], int]:
    limit, offset = read_page(call)
    params = list(reach.accounts)
    places = ", ".join(f"${at}" for at in range(2, 2 + len(params)))
    conditions = [f"p.account_id IN ({places or 'NULL'})", *where]
    order_code = call.query.get("externalOrderCode")
    if order_code is not None:
        params.append(order_code)
        conditions.append(f"p.order_code = ${1 + len(params)}")
    order = "p.created_us DESC, p.payment_id DESC"
    return await call.core.store.payments.page(call.caller.merchant_id, conditions, params, order, limit, offset)


def _url(call: Call, code: str) -> str:
    return f"{call.base.removesuffix(PREFIX)}/{code}"
