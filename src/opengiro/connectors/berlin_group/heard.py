"""What a Berlin Group bank says, and what it means: transaction status by step of the payer's approval (SCA).

A status alone never decides: `ACTC` is said right after initiation by one bank and after approval by another. Only
statuses of money that has moved, or never will, stand for themselves. An unlisted word changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason


class Step(IntEnum):
    """Where the payer's approval stands; the columns of `MEANING`."""

    WAITING = 0  #: begun, not finished
    PASSED = 1  #: approved, or exempted from approval
    FAILED = 2  #: refused, wrong or too late
    SILENT = 3  #: the bank tells nothing of it


STEPS: Mapping[str | None, Step] = MappingProxyType(
    {
        None: Step.SILENT,
        "received": Step.WAITING,
        "psuIdentified": Step.WAITING,
        "psuAuthenticated": Step.WAITING,
        "scaMethodSelected": Step.WAITING,
        "started": Step.WAITING,
        "unconfirmed": Step.WAITING,
        "finalised": Step.PASSED,
        "exempted": Step.PASSED,
        "failed": Step.FAILED,
    }
)

_TAKEN, _REJECTED = Trigger.BANK_ACCEPTED, Trigger.BANK_REJECTED
_SETTLED, _PARTLY = Trigger.BANK_SETTLED, Trigger.BANK_SETTLED_PARTLY

# ACSP and ACWP speak of an execution under way, which law forbids before approval: they count where the bank is
# silent on the approval, and one failed approval beside them was not the last. While the approval still waits,
# the two answers contradict each other, so we ask again. PATC with a failure: other signers may go on.
MEANING: Mapping[str, tuple[Trigger | None, Trigger | None, Trigger | None, Trigger | None]] = MappingProxyType(
    {
        # status   WAITING    PASSED     FAILED     SILENT
        "RCVD": (None, None, _REJECTED, None),
        "PDNG": (None, _TAKEN, _REJECTED, None),
        "ACTC": (None, _TAKEN, _REJECTED, None),
        "ACCP": (None, _TAKEN, _REJECTED, None),
        "ACFC": (None, _TAKEN, _REJECTED, None),
        "ACWC": (None, _TAKEN, _REJECTED, None),
        "PATC": (None, _TAKEN, None, None),
        "ACSP": (None, _TAKEN, _TAKEN, _TAKEN),
        "ACWP": (None, _TAKEN, _TAKEN, _TAKEN),
        "ACSC": (_SETTLED, _SETTLED, _SETTLED, _SETTLED),
        "ACCC": (_SETTLED, _SETTLED, _SETTLED, _SETTLED),
        "PART": (_PARTLY, _PARTLY, _PARTLY, _PARTLY),
        "CANC": (_REJECTED, _REJECTED, _REJECTED, _REJECTED),
        "RJCT": (_REJECTED, _REJECTED, _REJECTED, _REJECTED),
    }
)

HEARD: Mapping[str, Trigger | None] = MappingProxyType(
    {status: by_step[Step.PASSED] for status, by_step in MEANING.items()}
)
"""Every documented status and its trigger once the payer has approved."""


def meaning(status: str, sca: str | None) -> tuple[Trigger | None, bool]:
    """Return the trigger of a status at an SCA step, and whether all that it hangs on is in the table."""
    by_step = MEANING.get(status)
    # Money that moved, or never will, is believed whatever new word the approval has.
    step = Step.SILENT if settles_itself(status) else STEPS.get(sca)
    if by_step is None or step is None:
        return None, False
    return by_step[step], True


def settles_itself(status: str) -> bool:
    """Tell whether the status means the same at every step of the approval, so that nothing else need be asked."""
    return status in MEANING and len(set(MEANING[status])) == 1


# AC06 names a blocked account and no side: it is the payer's bank that speaks, and payees are checked beforehand.
_ISO: Mapping[Reason, str] = {
    Reason.INVALID_EMITTER: "AC02 AC05 AC06 AC13 AG01 MD01 DNOR",
    Reason.INVALID_BENEFICIARY: "AC01 AC03 AC04 AC07 AC14 BE01 BE04 BE06 BE22 CNOR RC01",
    Reason.INSUFFICIENT_FUNDS: "AM04",
    Reason.INVALID_AMOUNT: "AM01 AM02 AM09 AM12 AM14 AM21",
    Reason.INVALID_CURRENCY: "AM03 AM11",
    Reason.INVALID_DATE: "DT01 DT04 TM01",
    Reason.INVALID_REFERENCE: "AM05 DUPL",
    Reason.INVALID_VALUE: "FF01",
    Reason.REGULATORY: "FRAD FR01 RR01 RR02 RR03 RR04 RR05 RR06 RR07 RR08 RR09 RR10 RR11 RR12",
    Reason.CANCELLED_BY_PAYER: "CUST DS02",
    Reason.NO_ANSWER_FROM_CUSTOMER: "NOAS",
    Reason.BANK_UNAVAILABLE: "AB05 AB06 AB07 AB08 AB09 AB10",
    Reason.NOT_SPECIFIED: "AG03 ED05 FOCR MS02 MS03",
}
_STANDARD: Mapping[Reason, str] = {
    Reason.INVALID_DATE: "EXECUTION_DATE_INVALID TIMESTAMP_INVALID PERIOD_INVALID",
    Reason.INSUFFICIENT_FUNDS: "FUNDS_NOT_AVAILABLE",
    Reason.AUTHENTICATION_FAILED: "PSU_CREDENTIALS_INVALID SCA_INVALID SCA_METHOD_UNKNOWN CORPORATE_ID_INVALID",
    Reason.BANK_UNAVAILABLE: "SERVICE_BLOCKED SERVICE_UNAVAILABLE ACCESS_EXCEEDED INTERNAL_SERVER_ERROR",
    Reason.INVALID_VALUE: "FORMAT_ERROR PARAMETER_NOT_CONSISTENT PARAMETER_NOT_SUPPORTED",
}
REASONS: Mapping[str, Reason] = MappingProxyType(
    {code: reason for table in (_ISO, _STANDARD) for reason, codes in table.items() for code in codes.split()}
)
"""Bank code → our reason. Both sets are open: a code that is missing here is kept as text."""

_ISO_CODE = re.compile(r"\b(?:" + "|".join(sorted(code for codes in _ISO.values() for code in codes.split())) + r")\b")


def reason_in(*texts: str) -> Reason | None:
    """Return the reason of the first ISO 20022 code in the texts: banks hide them in messages meant for people."""
    for text in texts:
        found = _ISO_CODE.search(text)
        if found:
            return REASONS[found[0]]
    return None
