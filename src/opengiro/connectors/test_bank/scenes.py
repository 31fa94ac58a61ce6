"""What the test bank plays: one function a scene, each telling where things stand now.

A scene sees only the errand and the memory, so the bank has no state of its own, survives every restart and
is right however far the clock jumped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

import msgspec

from opengiro.connectors.test_bank.heard import (
    APPROVED,
    EMITTER,
    HEARD,
    REASONS,
    REFUSED,
    UNAPPROVED,
    WAITING,
)
from opengiro.connectors.test_bank.labels import course, outcomes
from opengiro.domain.banks import (
    AskFields,
    BankTrouble,
    Decoupled,
    Errand,
    Field,
    Heard,
    Moved,
    NextAction,
    Redirect,
)
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason

APPROVAL_TAKES = timedelta(seconds=10)
APPROVAL_LAPSES_AFTER = timedelta(seconds=20)
VALIDATED = "AUTHENTICATION_VALIDATED"
_TAKEN = frozenset({Trigger.BANK_ACCEPTED, Trigger.BANK_SETTLED})
_PROMPT = "Open your bank's app on your phone and approve the payment waiting there."

CODE = Field("openapisms", "The code we sent you by text message")
ACCOUNT = Field("account_id", "The account to pay from", choices=(("main", "Main account"), ("snd", "Second account")))


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the bank knows of one attempt besides the time; kept by the core as JSON text."""

    scene: str
    approved: bool = False
    confirmed: bool | None = None
    answers: dict[str, str] = {}  # msgspec gives every value its own
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """A word, the payer's next step and how long both stay true."""

    word: str
    action: NextAction = None
    ask_in: timedelta | None = None


Scene = Callable[[Errand, Memory], Now]


def recall(errand: Errand) -> Memory:
    """Return the attempt's memory, fresh from the fields of its validation when nothing is kept yet."""
    if errand.memory:
        return msgspec.json.decode(errand.memory, type=Memory)
    wanted = errand.fields.get("use_case_pay") or "legacy"
    scene = ALIASES.get(wanted, wanted)
    if scene not in SCENES:
        raise BankTrouble(
            "use_case_pay is none of the documented values",
            permanent=True,
            money=Moved.REFUSED,
            reason=Reason.INVALID_VALUE,
        )
    return Memory(scene)


def play(errand: Errand, memory: Memory) -> Heard:
    """Return where the attempt stands now."""
    now = SCENES[memory.scene](errand, memory)
    if errand.orders[0].recurrence and HEARD[now.word] in _TAKEN:
        now = Now("pdng")  # the order stands, and each date is told of by itself
    return Heard(
        said=now.word,
        trigger=HEARD[now.word],
        reason=REASONS.get(now.word),
        action=now.action,
        awaits_us=now.word == APPROVED,
        bank_payment_id=errand.request_id,
        memory=msgspec.json.encode(memory).decode(),
        ask_in=now.ask_in,
        executed=outcomes(errand.orders[0], errand.now.date()) if now.word == "pdng" else {},
    )


def _legacy(errand: Errand, _: Memory) -> Now:
    order = errand.orders[0]
    if order.recurrence:
        return Now("pdng")  # its label speaks of its dates, one word each
    word, lasts = course(order.label, order.execution).at(errand.now - errand.started_at)
    return Now(word, ask_in=lasts)


def _redirect(errand: Errand, memory: Memory) -> Now:
    if not memory.approved:
        return Now(WAITING, Redirect(_page(errand)))
    if memory.confirmed is None:
        return Now(APPROVED)
    return Now("done" if memory.confirmed else REFUSED)


def _redirect_no_confirmation(errand: Errand, memory: Memory) -> Now:
    return Now("done") if memory.approved else Now(WAITING, Redirect(_page(errand)))


def _page(errand: Errand) -> str:
    # The return address ends with the attempt's ticket; the wire passes it as `state`.
    ticket = errand.return_url.rpartition("/")[2]
    query = urlencode({"state": ticket, "authFactorValue": VALIDATED})
    return f"{errand.own_url.rstrip('/')}/2.0/webauth/callback?{query}"


def _decoupled(end: str, takes: timedelta) -> Scene:
    def scene(errand: Errand, _: Memory) -> Now:
        return _on_the_phone(errand.now - errand.started_at, takes, end)

    return scene


def _on_the_phone(elapsed: timedelta, takes: timedelta, end: str) -> Now:
    if elapsed >= takes:
        return Now(end)
    return Now(WAITING, Decoupled(_PROMPT), takes - elapsed)


def _otp_sms(_: Errand, memory: Memory) -> Now:
    code = memory.answers.get(CODE.name)
    if code is None:
        return Now(WAITING, AskFields((CODE,)))
    return Now("done" if code == "1234" else UNAPPROVED)


def _otp_plus_decoupled(errand: Errand, memory: Memory) -> Now:
    first = _otp_sms(errand, memory)
    if first.word != "done" or memory.answered_at is None:
        return first
    return _on_the_phone(errand.now - memory.answered_at, APPROVAL_TAKES, "done")


def _account_choice(_: Errand, memory: Memory) -> Now:
    account = memory.answers.get(ACCOUNT.name)
    if account is None:
        return Now(WAITING, AskFields((ACCOUNT,)))
    return Now("done" if account == "main" else EMITTER)


SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        "legacy": _legacy,
        "redirect": _redirect,
        "decoupled": _decoupled("done", APPROVAL_TAKES),
        "decoupled_cancelled": _decoupled("canc", APPROVAL_TAKES),
        "decoupled_expired": _decoupled(UNAPPROVED, APPROVAL_LAPSES_AFTER),
        "otp_sms": _otp_sms,
        "otp_plus_decoupled": _otp_plus_decoupled,
        "account_choice": _account_choice,
        "redirect_no_confirmation": _redirect_no_confirmation,
    }
)
ALIASES: Mapping[str, str] = MappingProxyType({"decoupled_expiration": "decoupled_expired"})
