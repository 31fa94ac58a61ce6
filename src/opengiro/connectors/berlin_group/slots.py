"""What the connector does for each slot: a request or two, then what the answers mean for the attempt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import msgspec

from opengiro.connectors.berlin_group import client, translate
from opengiro.connectors.berlin_group.answer import Answer, same_bank
from opengiro.connectors.berlin_group.heard import MEANING, STEPS, Step, meaning, settles_itself
from opengiro.connectors.berlin_group.translate import Start
from opengiro.domain.banks import (
    AskFields,
    BankTrouble,
    Cancellation,
    Cancelled,
    Decoupled,
    Errand,
    Field,
    Heard,
    Line,
    Moved,
    NextAction,
    Redirect,
)
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason

PSU_ID = Field("psu_id", "Your user name at your bank", regex="[ -~]{1,140}")


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What we keep of one attempt: where to ask, and the payer's step for as long as it waits."""

    product: str
    sca_url: str | None = None
    sca: str | None = None  #: the approval's last word, once it is one that stays
    start_url: str | None = None  #: the authorisation still wants the payer's user name
    redirect: str | None = None
    decoupled: bool = False
    message: str | None = None

    @property
    def action(self) -> NextAction:
        """The payer's step while the bank waits for it."""
        if self.start_url:
            return AskFields((PSU_ID,))
        if self.redirect:
            return Redirect(self.redirect)
        return Decoupled(self.message) if self.decoupled else None


async def initiate(line: Line, errand: Errand) -> Heard:
    """Send the order, then whatever the bank wants before the payer can approve it."""
    if len(errand.orders) != 1:
        raise translate.unfit("a single payment carries one order", None)
    answer = await client.initiate_payment(line, errand)
    payment_id = answer.text("paymentId")
    if not payment_id:
        raise BankTrouble("the bank took the payment without naming it", permanent=True, money=Moved.UNKNOWN)
    return await _lead(line, replace(errand, bank_payment_id=payment_id), answer)


async def observe(line: Line, errand: Errand) -> Heard:
    """Ask for the payment's status and, until it is settled, for the payer's approval."""
    memory = _recall(errand)
    answer = await client.ask_status(line, errand, memory.product)
    status = answer.payment_status
    try:
        memory, sca = await _ask_sca(line, errand, memory)
    except BankTrouble:
        if not settles_itself(status):
            raise
        sca = None
    return _hear(errand, memory, answer, sca)


async def answer_fields(line: Line, errand: Errand, answers: Mapping[str, str]) -> Heard:
    """Start the authorisation that waited for the payer's user name at the bank."""
    memory = _recall(errand)
    psu_id = answers.get(PSU_ID.name, "").strip()
    if memory.start_url is None:
        return await observe(line, errand)
    if not re.fullmatch(PSU_ID.regex or "", psu_id):
        return _wait(errand, memory, errand.said or "", None)
    begun = await client.start_authorisation(line, errand, memory.start_url, psu_id)
    memory = _begun(errand, msgspec.structs.replace(memory, start_url=None), memory.start_url, begun)
    return _wait(errand, memory, errand.said or "", begun.text("scaStatus"))


async def cancel(line: Line, errand: Errand) -> Cancellation:
    """Ask the bank to cancel; where the payer must approve that too, start it and say where."""
    memory = _recall(errand)
    answer = await client.cancel_payment(line, errand, memory.product)
    if answer.status == 204 or answer.payment_status == "CANC":
        return Cancellation(Cancelled.AT_ONCE, str(answer.status))
    if answer.status != 202:
        return Cancellation(Cancelled.REFUSED, translate.said(answer))
    try:
        url = await _cancellation_page(line, errand, memory, answer)
    except BankTrouble as refused:
        if refused.money is Moved.UNKNOWN:
            raise
        return Cancellation(Cancelled.REFUSED, refused.said)
    return Cancellation(Cancelled.PAYER_MUST_APPROVE, translate.said(answer), url)


async def _cancellation_page(line: Line, errand: Errand, memory: Memory, answer: Answer) -> str | None:
    step = translate.next_step(answer, errand.bank.base_url)
    if isinstance(step, Start):
        standard = client.payment_url(errand, memory.product) + "/cancellation-authorisations"
        begun = await client.start_authorisation(line, errand, client.at_bank(errand, step.url, standard))
        step = translate.next_step(begun, errand.bank.base_url)
    return step.url if isinstance(step, Redirect) else None


async def _lead(line: Line, errand: Errand, answer: Answer) -> Heard:
    """Find the payer's way to approve what the bank just took."""
    status = answer.payment_status
    memory = Memory(translate.product(errand.orders[0]), sca_url=_sca_url(errand, answer))
    if settles_itself(status):
        return _hear(errand, memory, answer, answer.text("scaStatus"))
    step = translate.next_step(answer, errand.bank.base_url)
    if step is None:
        return _hear(errand, memory, answer, answer.text("scaStatus"))
    if not isinstance(step, Start):
        return _wait(errand, _with_step(memory, step), status, answer.text("scaStatus"))
    standard = client.payment_url(errand, memory.product) + "/authorisations"
    start_url = client.at_bank(errand, step.url, standard)
    if step.identify:
        return _wait(errand, msgspec.structs.replace(memory, start_url=start_url), status, None)
    return await _start(line, errand, memory, start_url, answer)


async def _start(line: Line, errand: Errand, memory: Memory, url: str, answer: Answer) -> Heard:
    status = answer.payment_status
    try:
        begun = await client.start_authorisation(line, errand, url)
    except BankTrouble as lost:
        if lost.money is not Moved.UNKNOWN:
            raise
        if answer.approach == "REDIRECT":
            # Nobody holds the link, so nobody can approve.
            raise BankTrouble(lost.said, permanent=False, money=Moved.REFUSED) from lost
        # The bank may have woken the payer's phone: the payment has a name, so it can be asked about.
        return _wait(errand, memory, status, None)
    return _wait(errand, _begun(errand, memory, url, begun), status, begun.text("scaStatus"))


def _begun(errand: Errand, memory: Memory, start_url: str, answer: Answer) -> Memory:
    step = translate.next_step(answer, errand.bank.base_url)
    if isinstance(step, Start):
        raise translate.unsupported("the bank wants an authorisation started twice, which is not supported")
    authorisation = answer.text("authorisationId")
    named = f"{start_url}/{quote(authorisation, safe='')}" if authorisation else None
    memory = msgspec.structs.replace(memory, sca_url=_sca_url(errand, answer) or named or memory.sca_url)
    return _with_step(memory, step)


def _sca_url(errand: Errand, answer: Answer) -> str | None:
    url = answer.links.get("scaStatus")
    return url if url and same_bank(url, errand.bank.base_url) else None


def _with_step(memory: Memory, step: Redirect | Decoupled | None) -> Memory:
    match step:
        case Redirect(url):
            return msgspec.structs.replace(memory, redirect=url)
        case Decoupled(message):
            return msgspec.structs.replace(memory, decoupled=True, message=message)
    return memory


async def _ask_sca(line: Line, errand: Errand, memory: Memory) -> tuple[Memory, str | None]:
    if memory.sca:
        return memory, memory.sca
    url = memory.sca_url or await client.find_authorisation(line, errand, memory.product)
    answer = await client.ask_sca(line, errand, url) if url else None
    sca = answer.text("scaStatus") if answer else None
    stays = sca if STEPS.get(sca) is Step.PASSED else None
    return msgspec.structs.replace(memory, sca_url=url, sca=stays), sca


def _wait(errand: Errand, memory: Memory, status: str, sca: str | None) -> Heard:
    """Tell that the payer has a step to take: whatever the status claims, it comes before approval."""
    minutes = errand.bank.profile.get("link_minutes")
    return Heard(
        said=status,
        known=status in MEANING and sca in STEPS,
        sca=sca,
        action=memory.action,
        bank_payment_id=errand.bank_payment_id,
        memory=_keep(memory),
        link_expires_in=timedelta(minutes=int(minutes)) if minutes and memory.redirect else None,
    )


def _hear(errand: Errand, memory: Memory, answer: Answer, sca: str | None) -> Heard:
    status = answer.payment_status
    trigger, known = meaning(status, sca)
    rejected = trigger is Trigger.BANK_REJECTED
    open_step = trigger is None and STEPS.get(sca, Step.WAITING) in {Step.WAITING, Step.SILENT}
    return Heard(
        said=status,
        trigger=trigger,
        known=known,
        sca=sca,
        reason=_why(answer, sca) if rejected else None,
        message=answer.for_payer if rejected else None,
        action=memory.action if open_step else None,
        bank_payment_id=errand.bank_payment_id,
        memory=_keep(memory),
        ask_in=answer.retry_after,
    )


def _why(answer: Answer, sca: str | None) -> Reason:
    named = translate.reason(answer)
    if named and named is not Reason.NOT_SPECIFIED:
        return named
    if answer.payment_status == "CANC":
        return Reason.CANCELLED_BY_PAYER
    if STEPS.get(sca) is Step.FAILED:
        return Reason.AUTHENTICATION_FAILED
    return named or (Reason.BANK_MESSAGE if answer.for_payer else Reason.NOT_SPECIFIED)


def _recall(errand: Errand) -> Memory:
    if errand.memory:
        return msgspec.json.decode(errand.memory, type=Memory)
    return Memory(translate.product(errand.orders[0]))


def _keep(memory: Memory) -> str:
    return msgspec.json.encode(memory).decode()
