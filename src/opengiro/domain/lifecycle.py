"""Which state may follow which: one table, and nothing else decides it.

A pair that is not in the table changes nothing. Final states have no row, so they have no exit.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a payment stands."""

    CREATED = "created"  #: the merchant asked for it; no bank has heard of it
    VALIDATING = "validating"  #: a bank knows it; the payer has still to approve
    PENDING = "pending"  #: the payer approved; the bank has not yet executed it
    ACCEPTED = "accepted"  #: the bank took it and will never tell how it ended
    DONE = "done"  #: the payer's bank executed it
    REJECTED = "rejected"  #: it will not be executed
    EXPIRED = "expired"  #: nobody acted, or no news came, before its time ran out
    PARTIAL = "partial"  #: some instructions of a bulk were executed and some were not


class Trigger(StrEnum):
    """What can happen to a payment."""

    PAYER_CHOSE_BANK = "payer_chose_bank"  #: a bank accepted the initiation, or may have
    BANK_ACCEPTED = "bank_accepted"  #: the payer approved and the bank took the order
    BANK_SETTLED = "bank_settled"  #: the bank says the money left
    BANK_SETTLED_PARTLY = "bank_settled_partly"  #: the bank executed only some instructions
    BANK_REJECTED = "bank_rejected"  #: the bank or the payer at the bank refused
    BANK_WENT_QUIET = "bank_went_quiet"  #: a bank that never reports the end has had its time
    PAYER_CANCELLED = "payer_cancelled"  #: the payer quit while no money could move
    CLIENT_CANCELLED = "client_cancelled"  #: the merchant cancelled what moves no money any more, or stopped an order
    CONFIRMATION_REFUSED = "confirmation_refused"  #: the merchant said no to a manual confirmation
    CONFIRMATION_LAPSED = "confirmation_lapsed"  #: the merchant did not answer it in time
    TIME_RAN_OUT = "time_ran_out"  #: the payment outlived its expiry


_S, _T = State, Trigger
MOVES: Mapping[tuple[State, Trigger], State] = MappingProxyType(
    {
        (_S.CREATED, _T.PAYER_CHOSE_BANK): _S.VALIDATING,
        (_S.CREATED, _T.BANK_REJECTED): _S.REJECTED,
        (_S.CREATED, _T.PAYER_CANCELLED): _S.REJECTED,
        (_S.CREATED, _T.CLIENT_CANCELLED): _S.REJECTED,
        (_S.CREATED, _T.TIME_RAN_OUT): _S.EXPIRED,
        (_S.VALIDATING, _T.BANK_ACCEPTED): _S.PENDING,
        (_S.VALIDATING, _T.BANK_SETTLED): _S.DONE,  # instant payments may skip pending
        (_S.VALIDATING, _T.BANK_WENT_QUIET): _S.ACCEPTED,  # the same, at a bank without final status
        (_S.VALIDATING, _T.BANK_SETTLED_PARTLY): _S.PARTIAL,
        (_S.VALIDATING, _T.BANK_REJECTED): _S.REJECTED,
        (_S.VALIDATING, _T.PAYER_CANCELLED): _S.REJECTED,
        (_S.VALIDATING, _T.CONFIRMATION_REFUSED): _S.REJECTED,
        (_S.VALIDATING, _T.CONFIRMATION_LAPSED): _S.REJECTED,
        (_S.VALIDATING, _T.TIME_RAN_OUT): _S.EXPIRED,
        (_S.PENDING, _T.BANK_SETTLED): _S.DONE,
        (_S.PENDING, _T.BANK_SETTLED_PARTLY): _S.PARTIAL,
        (_S.PENDING, _T.BANK_REJECTED): _S.REJECTED,
        (_S.PENDING, _T.BANK_WENT_QUIET): _S.ACCEPTED,
        (_S.PENDING, _T.CLIENT_CANCELLED): _S.REJECTED,
        (_S.PENDING, _T.TIME_RAN_OUT): _S.EXPIRED,
    }
)

FINAL = frozenset(State) - {origin for origin, _ in MOVES}


def move(origin: State, trigger: Trigger) -> State | None:
    """Return the state that follows, or None when the trigger changes nothing from here."""
    return MOVES.get((origin, trigger))


def is_news(origin: State | None, target: State) -> bool:
    """Whether the move matters to whoever only tells open, under way and ended apart."""
    return origin is not None and not {origin, target} <= _UNDER_WAY


_UNDER_WAY = frozenset({State.VALIDATING, State.PENDING})


def grid() -> str:
    """Draw State by Trigger as a table for people; the concepts page shows the same one."""
    heads = [trigger.value for trigger in Trigger]
    rows = [["", *heads]]
    for state in State:
        rows.append([state.value, *(_cell(state, trigger) for trigger in Trigger)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def _cell(state: State, trigger: Trigger) -> str:
    target = move(state, trigger)
    return target.value if target else ""
