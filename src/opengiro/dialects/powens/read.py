"""From the wire's bytes to commands, or to a list of complaints that name each property by its path."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET

from opengiro.dialects import Call
from opengiro.dialects.powens.parties import read_party
from opengiro.dialects.powens.schema import AccountIn, InstructionIn, PaymentIn
from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.complaints import Complaints, T, civil_date
from opengiro.domain.money import EXPONENTS, AmountFault, Money
from opengiro.domain.payment import Execution
from opengiro.domain.recurrence import Frequency, Recurrence
from opengiro.domain.references import reference_fault
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.sepa_text import sepa_text
from opengiro.usecases.check_account import AccountFault, check_account, check_payee
from opengiro.usecases.create_payment import NewInstruction

URI_LENGTH_MAX = 2000
STATE_LENGTH_MAX = 2000
LABEL_LENGTH_MAX = 140
HOLDER_LENGTH_MAX = 70
REFERENCE_LENGTH_MAX = 31
REFERENCE_LENGTH_MAX_UK = 18
INSTRUCTIONS_MAX = 100
KEYS_MAX = 1000

_TRUE = frozenset({"true", "1", ""})
_COUNT = re.compile(r"[0-9]{1,16}", re.ASCII)
_AMOUNT = re.compile(rb'"?([0-9.]{1,40})"?')
_SCIENTIFIC = re.compile(rb"[0-9]{1,15}(?:\.[0-9]{1,15})?[eE][+-]?[0-9]{1,2}")
_BIC = re.compile(r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_FAULT = re.compile(r"^(.*?)(?: - at `\$?\.?(.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")


def read_body(call: Call, shape: type[T]) -> T:
    """Decode JSON, a form, or (as some integrations send it) the query string, into `shape`."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _convert(_read_form(call.body), shape)
    if not call.body.strip():
        return _convert(dict(call.query), shape)
    return read_json(call.body, shape)


def read_json(body: bytes, shape: type[T]) -> T:
    """Decode strictly: UTF-8 JSON without duplicate keys (PC29), typed as `shape` says."""
    try:
        if not _is_plain(body):
            _check_keys(body)
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as fault:
        raise _refused(fault) from fault
    except (ValueError, RecursionError) as fault:
        raise Refused(Refusal.FIELD_INVALID, Complaint("body", "is not valid JSON, or repeats a key")) from fault


def _is_plain(body: bytes) -> bool:
    """Tell quickly that no key is repeated; False leaves it open.

    Decoding drops all but the last of equal keys, each with its colon. Without a backslash every other colon is
    still there when the value is written again.
    """
    if b"\\" in body or body.count(b":") > KEYS_MAX:
        return False
    try:
        return msgspec.json.encode(msgspec.json.decode(body)).count(b":") == body.count(b":")
    except (ValueError, RecursionError):
        return False


def _check_keys(body: bytes) -> None:
    json.loads(
        body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=str, parse_int=str
    )


def read_instructions(body: PaymentIn, *, periodic: bool) -> tuple[NewInstruction, ...]:
    """Check every transfer order of a new payment; raises `Refused` with all that is wrong.

    `periodic` says whether the merchant may ask for recurring payments.
    """
    wrong = Complaints()
    listed = wrong.need(body.instructions or None, "instructions") or []
    if len(listed) > INSTRUCTIONS_MAX:
        wrong.add("instructions", f"holds at most {INSTRUCTIONS_MAX}")
        wrong.raise_any()
    for at, one in enumerate(listed):
        _check_feature(one, f"instructions[{at}]", periodic=periodic)
    read = [_read_instruction(one, f"instructions[{at}]", wrong) for at, one in enumerate(listed)]
    wrong.raise_any()
    instructions = tuple(one for one in read if one)
    _check_bulk(instructions, wrong)
    wrong.raise_any()
    return instructions


def read_account(given: AccountIn | None, path: str, wrong: Complaints, *, of_payer: bool = False) -> Account | None:
    """Check an account; the number itself is judged by its scheme. A payer's needs no name."""
    if given is None:
        return None
    scheme = read_enum(Scheme, _scheme_name(given), f"{path}.scheme_name", wrong)
    number = wrong.need(given.identification, f"{path}.identification")
    holder = _holder(given.label, f"{path}.label", wrong, needed=not of_payer)
    if given.issuer is not None and not _BIC.fullmatch(given.issuer):
        wrong.add(f"{path}.issuer", "is not a BIC")
    if scheme is None or number is None:
        return None
    try:
        return (check_account if of_payer else check_payee)(scheme, number, holder or "", given.issuer)
    except AccountFault as fault:
        wrong.add(f"{path}.identification", str(fault))
        return None


def read_enum(kind: Callable[[str], T], text: str | None, path: str, wrong: Complaints) -> T | None:
    """Return the member of a closed list that the text names."""
    if wrong.need(text, path) is None or text is None:
        return None
    try:
        return kind(text)
    except ValueError:
        wrong.add(path, "is not one of the documented values")
        return None


def read_date(text: str | None, path: str, wrong: Complaints) -> date | None:
    """Return a civil date written as YYYY-MM-DD."""
    if text is None:
        return None
    day = civil_date(text)
    if day is None:
        wrong.add(path, "is not a date such as 2031-12-24")
    return day


def read_redirect_uri(uri: str | None, path: str, wrong: Complaints, *, query: bool = False) -> str | None:
    """Return an absolute http(s) URI; one that takes callback parameters must come without a query of its own."""
    if wrong.need(uri, path) is None or uri is None:
        return None
    try:
        parts = urlsplit(uri)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        sound = False
    if not sound or len(uri) > URI_LENGTH_MAX or not uri.isascii() or not uri.isprintable() or " " in uri:
        wrong.add(path, f"is not an absolute http(s) URI of at most {URI_LENGTH_MAX} characters")
    elif "#" in uri or ("?" in uri and not query):
        wrong.add(path, "carries no query and no fragment; use client_state")
    return uri


def read_flag(call: Call, name: str) -> bool:
    """Return whether a Boolean of the query is set; one without a value is."""
    return call.query.get(name, "false").lower() in _TRUE


def read_count(call: Call, name: str, default: int, wrong: Complaints) -> int:
    """Return a whole number of the query."""
    text = call.query.get(name)
    if text is None:
        return default
    if not _COUNT.fullmatch(text):
        wrong.add(name, "is a whole number")
        return default
    return int(text)


def read_number(call: Call, name: str) -> int:
    """Return a number of the path; whatever is none names nothing that could be found."""
    if not _COUNT.fullmatch(call.path[name]):
        raise Refused(Refusal.NOT_FOUND)
    return int(call.path[name])


def read_state(text: str | None, path: str, wrong: Complaints) -> str | None:
    """Return the client's own state, which comes back byte for byte."""
    if text is not None and len(text) > STATE_LENGTH_MAX:
        wrong.add(path, f"has at most {STATE_LENGTH_MAX} characters")
    elif text is not None and not _encodable(text):
        wrong.add(path, "is not valid Unicode text")
    return text


def text_fault(text: str, length_max: int) -> str | None:
    """Return what is wrong with a line of text: too long, or control, format and unassigned characters in it."""
    if len(text) > length_max:
        return f"has at most {length_max} characters"
    # What is printable as a whole holds none of them, and is known much faster.
    if not text.isprintable() and any(unicodedata.category(character)[0] == "C" for character in text):
        return "holds control or formatting characters"
    return None


def _read_instruction(one: InstructionIn, path: str, wrong: Complaints) -> NewInstruction | None:
    before = len(wrong.found)
    label = _label(one.label, f"{path}.label", wrong)
    amount = _amount(one, path, wrong)
    execution = read_enum(Execution, one.execution_date_type, f"{path}.execution_date_type", wrong)
    due = _execution_date(one, execution, path, wrong)
    recurrence = _recurrence(one, execution, path, wrong)
    given = wrong.need(one.beneficiary, f"{path}.beneficiary")
    payee = read_account(given, f"{path}.beneficiary", wrong)
    party = read_party(one.beneficiary_identity, f"{path}.beneficiary_identity", wrong)
    if one.reference_id is not None:
        uk = payee is not None and payee.scheme is Scheme.SORT_CODE
        fault = reference_fault(one.reference_id, REFERENCE_LENGTH_MAX_UK if uk else REFERENCE_LENGTH_MAX)
        if fault:
            wrong.add(f"{path}.reference_id", fault)
    if len(wrong.found) > before or not (amount and label and execution and payee):
        return None
    return NewInstruction(amount, label, execution, payee, due, party, one.reference_id, recurrence)


def _amount(one: InstructionIn, path: str, wrong: Complaints) -> Money | None:
    currency = wrong.need(one.currency, f"{path}.currency")
    if currency is not None and currency not in EXPONENTS:
        wrong.add(f"{path}.currency", "is not a supported ISO 4217 currency")
        currency = None
    raw = bytes(one.amount).strip() if one.amount is not UNSET else b"null"
    if raw == b"null":
        wrong.need(None, f"{path}.amount")
        return None
    if _SCIENTIFIC.fullmatch(raw):
        # Some serialisers write round numbers so; the exponent has two digits, so this stays small.
        raw = format(Decimal(raw.decode()), "f").encode()
    found = _AMOUNT.fullmatch(raw)
    if found is None or (raw[:1] == b'"') != (raw[-1:] == b'"'):
        wrong.add(f"{path}.amount", "is not a plain positive decimal")
        return None
    if currency is None:
        return None
    return _money(found[1].decode(), currency, f"{path}.amount", wrong)


def _money(text: str, currency: str, path: str, wrong: Complaints) -> Money | None:
    try:
        money = Money.parse(text, currency)
    except AmountFault as fault:
        wrong.add(path, str(fault))
        return None
    if money.minor <= 0:
        wrong.add(path, "is above zero")
        return None
    return money


def _execution_date(one: InstructionIn, execution: Execution | None, path: str, wrong: Complaints) -> date | None:
    """Return the date of a deferred order. One that has passed is allowed and means: at once (guide sample)."""
    where = f"{path}.execution_date"
    if execution is Execution.DEFERRED:
        wrong.need(one.execution_date, where)
        return read_date(one.execution_date or None, where, wrong)
    if one.execution_date is not None and execution is not None:
        wrong.add(where, "is given for deferred payments only")
    return None


def _check_feature(one: InstructionIn, path: str, *, periodic: bool) -> None:
    if one.execution_date_type == Execution.PERIODIC and not periodic:
        raise Refused(Refusal.FEATURE_DISABLED, Complaint(f"{path}.execution_date_type", "periodic is not enabled"))


def _recurrence(one: InstructionIn, execution: Execution | None, path: str, wrong: Complaints) -> Recurrence | None:
    """Return the dates of a periodic order; no other kind of order has any."""
    if execution is not Execution.PERIODIC:
        for name in ("start_date", "end_date", "frequency") if execution is not None else ():
            if getattr(one, name) is not None:
                wrong.add(f"{path}.{name}", "is given for periodic payments only")
        return None
    wrong.need(one.start_date, f"{path}.start_date")
    start = read_date(one.start_date, f"{path}.start_date", wrong)
    end = read_date(one.end_date, f"{path}.end_date", wrong)
    # PC24: two retired words are still understood and never emitted.
    word = _RETIRED_FREQUENCIES.get(one.frequency or "", one.frequency)
    frequency = read_enum(Frequency, word, f"{path}.frequency", wrong)
    if start and end and end < start:
        wrong.add(f"{path}.end_date", "is before start_date")
    return Recurrence(frequency, start, end) if start and frequency else None


_RETIRED_FREQUENCIES = {"biannual": "semiannually", "bimonthly": "two-weekly"}


def _check_bulk(instructions: tuple[NewInstruction, ...], wrong: Complaints) -> None:
    first = instructions[0]
    references = [one.reference_id for one in instructions if one.reference_id]
    for at, one in enumerate(instructions[1:], start=1):
        if one.execution is not first.execution:
            wrong.add(f"instructions[{at}].execution_date_type", "is the same for all instructions")
        if one.execution_date != first.execution_date:
            wrong.add(f"instructions[{at}].execution_date", "is the same for all instructions")
        if one.amount.currency != first.amount.currency:
            wrong.add(f"instructions[{at}].currency", "is the same for all instructions")
    if len(instructions) > 1 and first.execution is Execution.PERIODIC:
        wrong.add("instructions", "holds exactly one for a periodic payment")
    if len(set(references)) != len(references):
        wrong.add("instructions", "carry different reference_id values")


def _label(text: str | None, path: str, wrong: Complaints) -> str | None:
    """Return the label in NFC as it will be given back; the bank gets it in its own alphabet (PU15)."""
    if wrong.need(text, path) is None or text is None:
        return None
    label = unicodedata.normalize("NFC", text)
    fault = text_fault(label, LABEL_LENGTH_MAX) or (None if sepa_text(label).strip() else _NO_LETTERS)
    if fault:
        wrong.add(path, fault)
        return None
    return label


def _holder(text: str | None, path: str, wrong: Complaints, *, needed: bool) -> str | None:
    if not needed and not text:
        return None
    if wrong.need(text, path) is None or text is None:
        return None
    fault = text_fault(text, HOLDER_LENGTH_MAX) or (None if sepa_text(text).strip() else _NO_LETTERS)
    if fault:
        wrong.add(path, fault)
    return unicodedata.normalize("NFC", text)


_NO_LETTERS = "holds no character that banks carry"


def _scheme_name(given: AccountIn) -> str | None:
    return "iban" if given.scheme_name is None and given.scheme_iban else given.scheme_name


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_form(body: bytes) -> dict[str, Any]:
    """Return a form's values; a key that comes more than once is an array, as several scopes do."""
    try:
        pairs = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=KEYS_MAX)
    except ValueError as fault:
        raise Refused(Refusal.FIELD_INVALID, Complaint("body", "is not a valid form")) from fault
    return {key: values if len(values) > 1 else values[0] for key, values in pairs.items()}


def _convert(values: dict[str, Any], shape: type[T]) -> T:
    try:
        return msgspec.convert(values, type=shape, strict=False)
    except msgspec.ValidationError as fault:
        raise _refused(fault) from fault


def _refused(fault: msgspec.ValidationError) -> Refused:
    """Turn the decoder's message into a complaint; it names types and paths, never values."""
    found = _FAULT.match(str(fault))
    text, path = (found[1], found[2] or "body") if found else ("is not of the documented shape", "body")
    missing = _MISSING.search(text)
    if missing:
        return Refused(Refusal.FIELD_MISSING, Complaint(f"{path}.{missing[1]}", "is required", missing=True))
    return Refused(Refusal.FIELD_INVALID, Complaint(path, text.lower()))


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs) or len(pairs) > KEYS_MAX:
        raise ValueError("a key is repeated")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
