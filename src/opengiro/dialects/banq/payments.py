"""Payments and transactions of the banq wire: ask to be paid, read one, list them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from opengiro.dialects import Answer, Call
from opengiro.dialects.banq.bearer import Reach, reach_of
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
from opengiro.dialects.banq.schema import LiveTokenOut, PaidLinkIn, PaymentsOut, TransactionOut, TransactionsOut
from opengiro.dialects.banq.wording import FREQUENCIES, ONCE
from opengiro.dialects.banq.write import (
    Facts,
    answer,
    write_occurrence,
    write_paid_link,
    write_payment,
    write_transaction,
)
from opengiro.domain.complaints import Complaints
from opengiro.domain.identifiers import link_code, payment_guid_of
from opengiro.domain.occurrence import Occurrence
from opengiro.domain.payment import Execution, Payment
from opengiro.domain.recurrence import Recurrence, civil_day
from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.sepa_text import sepa_text
from opengiro.domain.spaces import MerchantAccount
from opengiro.usecases.cancel_payment import cancel_by_client
from opengiro.usecases.create_payment import CreatePayment, NewInstruction, create_payment
from opengiro.usecases.grant_live_token import grant_page_token
from opengiro.usecases.settle_occurrences import is_running
from opengiro.usecases.stop_recurring import stop_by_client

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
    occurrence = await _find_occurrence(call, guid)
    if occurrence is not None:
        return answer(await _write_occurrence(call, occurrence, reach))
    payment = await _find(call, payment_guid_of(guid) if guid else None)
    if payment.execution is Execution.PERIODIC:
        raise Refused(Refusal.NOT_FOUND)
    return answer(write_transaction(payment, await _facts(call, payment, reach)))


async def cancel_payment(call: Call) -> Answer:
    """Cancel a payment, or stop a recurring one; ours, since no published page says how."""
    reach = await reach_of(call)
    payment = await _find(call, read_guid(call.path["resource"]))
    await _facts(call, payment, reach)
    end = stop_by_client if is_running(payment) else cancel_by_client
    standing = await end(call.core, payment.merchant_id, payment.payment_id)
    return answer(write_payment(standing.payment, await _facts(call, standing.payment, reach)))


async def create_live_token(call: Call) -> Answer:
    """Give a token with which the payer's browser follows a payment live; ours."""
    reach = await reach_of(call)
    payment = await _find(call, read_guid(call.path["resource"]))
    await _facts(call, payment, reach)
    grant = await grant_page_token(call.core, payment)
    url = f"{call.base.removesuffix(PREFIX)}/live/{payment.payment_id}"
    expires_in = int(grant.life.total_seconds())
    return answer(LiveTokenOut(token=grant.token, expires_in=expires_in, payment_guid=payment.guid, url=url), 201)


async def list_payments(call: Call) -> Answer:
    """List payments to the caller's accounts (BD18)."""
    reach = await reach_of(call)
    limit, offset = read_page(call)
    order = "p.created_us DESC, p.payment_id DESC"
    payments, total = await call.core.store.payments.page(
        call.caller.merchant_id, *_filter(call, reach), order, limit, offset
    )
    written = [write_payment(one, await _facts(call, one, reach)) for one in payments]
    return answer(PaymentsOut(payments=written, total=total))


async def list_transactions(call: Call) -> Answer:
    """List transactions to the caller's accounts (BD18)."""
    reach = await reach_of(call)
    page = read_page(call)
    listed, total = await call.core.store.transactions.page(call.caller.merchant_id, *_filter(call, reach), *page)
    written = [await _write_listed(call, payment_id, ordinal, reach) for payment_id, ordinal in listed]
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
    today = civil_day(call.core.now(merchant.merchant_id), merchant.zone)
    when = _when(body, today, wrong)
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
        execution=when.execution,
        payee=account.payee,
        execution_date=when.day,
        recurrence=when.recurrence,
    )


def _label(body: PaidLinkIn, name: str) -> str:
    """Return what payer and bank read when there is no comment: the order's own code, else whom they pay."""
    code = str(body.external_order_code or "")
    return code if len(code) <= 140 and sepa_text(code).strip() else name


@dataclass(frozen=True, slots=True)
class _When:
    execution: Execution
    day: date | None = None
    recurrence: Recurrence | None = None


def _when(body: PaidLinkIn, today: date, wrong: Complaints) -> _When:
    """Return when money is to move: at once, on a later day, or again and again (BD12)."""
    word = (body.frequency or ONCE).lower()
    start = read_date(body.start_date, "startDate", wrong)
    if word == ONCE:  # a day that has passed means at once, and an end means nothing
        return _When(Execution.DEFERRED, start) if start and start > today else _When(Execution.INSTANT)
    frequency = FREQUENCIES.get(word)
    if frequency is None:
        wrong.add("frequency", f"is {ONCE} or one of {', '.join(FREQUENCIES)}")
        return _When(Execution.INSTANT)
    end = read_date(body.end_date, "endDate", wrong)
    if end and end < max(start or today, today):
        wrong.add("endDate", "is neither past nor before startDate")
    return _When(Execution.PERIODIC, recurrence=Recurrence(frequency, start or today, end))


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


async def _find_occurrence(call: Call, guid: str | None) -> Occurrence | None:
    door, merchant_id = call.core.store.occurrences, call.caller.merchant_id
    number = read_number(call.path["resource"])
    if guid is not None:
        return await door.by_guid(merchant_id, guid)
    return None if number is None else await door.by_number(merchant_id, number)


async def _write_occurrence(call: Call, occurrence: Occurrence, reach: Reach) -> TransactionOut:
    payment = await call.core.payment(occurrence.merchant_id, occurrence.payment_id)
    return write_occurrence(occurrence, payment, await _facts(call, payment, reach))


async def _write_listed(call: Call, payment_id: int, ordinal: int | None, reach: Reach) -> TransactionOut:
    if ordinal is not None:
        door = call.core.store.occurrences
        (occurrence,) = await door.of_payment(call.caller.merchant_id, payment_id, ordinal - 1, 1)
        return await _write_occurrence(call, occurrence, reach)
    payment = await call.core.payment(call.caller.merchant_id, payment_id)
    return write_transaction(payment, await _facts(call, payment, reach))


def _filter(call: Call, reach: Reach) -> tuple[list[str], list[str]]:
    """Return conditions on payments and their parameters from `$2` on: the caller's accounts, and an order's code."""
    params = list(reach.accounts)
    places = ", ".join(f"${at}" for at in range(2, 2 + len(params)))
    conditions = [f"p.account_id IN ({places or 'NULL'})"]
    order_code = call.query.get("externalOrderCode")
    if order_code is not None and "\0" in order_code:
        conditions.append("1 = 0")  # no database text holds it, and PostgreSQL refuses to look for it
    elif order_code is not None:
        params.append(order_code)
        conditions.append(f"p.order_code = ${1 + len(params)}")
    return conditions, params


def _url(call: Call, code: str) -> str:
    return f"{call.base.removesuffix(PREFIX)}/{code}"
