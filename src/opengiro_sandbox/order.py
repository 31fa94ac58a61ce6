"""A transfer order as a TPP writes it: one strict reading of the JSON body, and the way back to the wire.

The official file is laxer than a bank (its amount pattern is not anchored, its texts take any letter), so every
rule is checked here again, and all complaints are told at once.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import msgspec
import schwifty

from opengiro_sandbox.standing import FREQUENCIES, MONTHS_LISTED, Standing

AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
SEPA_TEXT = re.compile(r"[a-zA-Z0-9/\-?:().,'+ ]+")
DAYS_AHEAD_MAX = 366
STANDING_DAYS_MAX = 30 * 366


Reader = Callable[[object, date], object]


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the payer is asked to approve; the amount is in cents."""

    amount: int
    currency: str = "EUR"
    creditor_name: str
    creditor_iban: str
    creditor_bic: str = ""
    debtor_iban: str = ""
    end_to_end_id: str = ""
    instruction_id: str = ""
    remittance: str = ""
    reference: str = ""
    execution_date: date | None = None
    standing: Standing | None = None


class Complaint(msgspec.Struct, frozen=True):
    """One thing wrong with a body: the bank's error code, where, and a sentence."""

    code: str
    path: str
    text: str


class BadField(Exception):
    """A field of the body breaks a rule."""

    def __init__(self, text: str, code: str = "FORMAT_ERROR") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def read_order(body: bytes, today: date, *, periodic: bool = False) -> Order | list[Complaint]:
    """Read the body of a payment or of a standing order, or list everything a bank would refuse in it."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return [Complaint("FORMAT_ERROR", "", "The body is not JSON.")]
    if not isinstance(raw, dict):
        return [Complaint("FORMAT_ERROR", "", "The body must be a JSON object.")]
    complaints: list[Complaint] = []
    values = _read_fields(raw, today, FIELDS, complaints)
    if periodic:
        values["standing"] = _read_standing(raw, today, complaints)
    return complaints or Order(**values)


def _read_standing(raw: dict[str, Any], today: date, complaints: list[Complaint]) -> Standing | None:
    if raw.get("requestedExecutionDate") is not None:
        complaints.append(Complaint("FORMAT_ERROR", "requestedExecutionDate", "A standing order has a start instead."))
    before = len(complaints)
    values = _read_fields(raw, today, STANDING_FIELDS, complaints)
    if len(complaints) > before:
        return None
    standing = Standing(**values)
    if standing.end and standing.end < standing.start:
        complaints.append(Complaint("PERIOD_INVALID", "endDate", "The end is before the start."))
    if bool(standing.months) != (standing.frequency == MONTHS_LISTED):
        text = "Months are listed if and only if the frequency is MonthlyVariable."
        complaints.append(Complaint("FORMAT_ERROR", "monthsOfExecution", text))
    return standing


def _read_fields(
    raw: dict[str, Any], today: date, fields: Mapping[str, tuple[str, Reader]], complaints: list[Complaint]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (path, read) in fields.items():
        try:
            values[name] = read(_dig(raw, path), today)
        except BadField as bad:
            complaints.append(Complaint(bad.code, path, bad.text))
    return values


def _dig(raw: object, path: str) -> object:
    for part in path.split("."):
        if raw is None:
            return None
        if not isinstance(raw, dict):
            raise BadField("An object is expected around this field.")
        raw = raw.get(part)
    return raw


def _text(length: int, required: bool = False, reference: bool = False) -> Reader:
    def read(value: object, _today: date) -> str:
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise BadField("This text is required." if value is None else "A string is expected.")
        _check_text(value, length, reference)
        return value

    return read


def _check_text(value: str, length: int, reference: bool) -> None:
    if not 1 <= len(value) <= length:
        raise BadField(f"Between 1 and {length} characters are expected.")
    if not SEPA_TEXT.fullmatch(value):
        raise BadField("Only the SEPA characters are allowed: letters a-z, digits, space and /-?:().,'+")
    if reference and (value.startswith("/") or value.endswith("/") or "//" in value):
        raise BadField("A reference may not start or end with a slash nor contain two in a row.")


def _amount(value: object, _today: date) -> int:
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise BadField("A decimal string with at most two decimals is expected, such as 12.30.")
    whole, _, cents = value.partition(".")
    minor = int(whole) * 100 + int(cents.ljust(2, "0"))
    if minor == 0:
        raise BadField("The amount must be above zero.")
    return minor


def _euro(value: object, _today: date) -> str:
    if value != "EUR":
        raise BadField("Only EUR is served by this product.")
    return value


def _iban(required: bool) -> Reader:
    def read(value: object, _today: date) -> str:
        if value is None and not required:
            return ""
        if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", value):
            raise BadField("An IBAN is expected, in capitals and without spaces.")
        try:
            return str(schwifty.IBAN(value))
        except schwifty.exceptions.SchwiftyException as wrong:
            raise BadField("The IBAN's length or check digits are wrong.") from wrong

    return read


def _bic(value: object, _today: date) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3})?", value):
        raise BadField("A BIC of 8 or 11 characters is expected.")
    return value


def _date(value: object, today: date) -> date | None:
    if value is None:
        return None
    day = _civil(value)
    if not today <= day <= today + timedelta(days=DAYS_AHEAD_MAX):
        raise BadField("The execution date must lie between today and a year from now.", "EXECUTION_DATE_INVALID")
    return day


def _first_day(value: object, today: date) -> date:
    day = _date(value, today)
    if day is None:
        raise BadField("This date is required.")
    return day


def _last_day(value: object, today: date) -> date | None:
    # A standing order may run for longer than a single payment may lie ahead.
    day = None if value is None else _civil(value)
    if day and not today <= day <= today + timedelta(days=STANDING_DAYS_MAX):
        raise BadField("The last day must lie between today and thirty years from now.", "PERIOD_INVALID")
    return day


def _one_of(words: tuple[str, ...], default: str | None = None) -> Reader:
    def read(value: object, _today: date) -> str:
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in words:
            raise BadField(f"One of {', '.join(words)} is expected.")
        return value

    return read


def _day_of_month(value: object, _today: date) -> int:
    if value is None:
        return 0
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]|[12][0-9]|3[01]", value):
        raise BadField("A day between 1 and 31 is expected, as text without leading zero.")
    return int(value)


def _months(value: object, _today: date) -> tuple[int, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not 1 <= len(value) <= 11 or len(set(map(str, value))) != len(value):
        raise BadField("Between 1 and 11 different months are expected.")
    if not all(isinstance(month, str) and re.fullmatch(r"[1-9]|1[0-2]", month) for month in value):
        raise BadField("Months are texts between 1 and 12.")
    return tuple(int(month) for month in value)


# Field of the order: where it stands in the body, and who reads it.
FIELDS: Mapping[str, tuple[str, Reader]] = {
    "currency": ("instructedAmount.currency", _euro),
    "amount": ("instructedAmount.amount", _amount),
    "creditor_name": ("creditorName", _text(70, required=True)),
    "creditor_iban": ("creditorAccount.iban", _iban(required=True)),
    "creditor_bic": ("creditorAgent", _bic),
    "debtor_iban": ("debtorAccount.iban", _iban(required=False)),
    "end_to_end_id": ("endToEndIdentification", _text(35, reference=True)),
    "instruction_id": ("instructionIdentification", _text(35, reference=True)),
    "remittance": ("remittanceInformationUnstructured", _text(140)),
    "reference": ("remittanceInformationStructured.reference", _text(35, reference=True)),
    "execution_date": ("requestedExecutionDate", _date),
}


STANDING_FIELDS: Mapping[str, tuple[str, Reader]] = {
    "start": ("startDate", _first_day),
    "end": ("endDate", _last_day),
    "rule": ("executionRule", _one_of(("following", "preceding"), "following")),
    "frequency": ("frequency", _one_of(FREQUENCIES)),
    "day": ("dayOfExecution", _day_of_month),
    "months": ("monthsOfExecution", _months),
}


def _civil(value: object) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise BadField("A date such as 2026-03-31 is expected.")
    try:
        return date.fromisoformat(value)
    except ValueError as wrong:
        raise BadField("There is no such day.") from wrong


def decimal(minor: int) -> str:
    """Return cents as the wire writes them."""
    return f"{minor // 100}.{minor % 100:02d}"


def write_order(order: Order, debtor_iban: str) -> dict[str, object]:
    """Return the order as the bank repeats it to the TPP.

    The official file wants `debtorAccount` even while no account is known, so it is then empty.
    """
    optional: dict[str, object] = {
        "creditorAgent": order.creditor_bic,
        "endToEndIdentification": order.end_to_end_id,
        "instructionIdentification": order.instruction_id,
        "remittanceInformationUnstructured": order.remittance,
        "remittanceInformationStructured": {"reference": order.reference} if order.reference else "",
        "requestedExecutionDate": order.execution_date.isoformat() if order.execution_date else "",
        **(_write_standing(order.standing) if order.standing else {}),
    }
    return {
        "debtorAccount": {"iban": debtor_iban} if debtor_iban else {},
        "instructedAmount": {"currency": "EUR", "amount": decimal(order.amount)},
        "creditorAccount": {"iban": order.creditor_iban},
        "creditorName": order.creditor_name,
        **{key: value for key, value in optional.items() if value},
    }


def _write_standing(standing: Standing) -> dict[str, object]:
    return {
        "startDate": standing.start.isoformat(),
        "endDate": standing.end.isoformat() if standing.end else "",
        "executionRule": standing.rule,
        "frequency": standing.frequency,
        "dayOfExecution": str(standing.day) if standing.day else "",
        "monthsOfExecution": [str(month) for month in standing.months],
    }
