"""From the wire's bytes to commands, or to a list of complaints that name each property by its path."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET

from opengiro.dialects import Call
from opengiro.domain.complaints import Complaints, T
from opengiro.domain.money import AmountFault, Money
from opengiro.domain.refusals import Complaint, Refusal, Refused
from opengiro.domain.sepa_text import sepa_text

COMMENT_LENGTH_MAX = 140
ORDER_CODE_LENGTH_MAX = 255
KEYS_MAX = 1000
LIMIT = 100
LIMIT_MAX = 1000

_AMOUNT = re.compile(rb'"([0-9.]{1,40})"|([0-9.]{1,40})')
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T00:00:00(?:\.0+)?Z?)?", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,16}", re.ASCII)
_FAULT = re.compile(r"^(.*?)(?: - at `\$?\.?(.*)`)?$", re.DOTALL)


def read_body(call: Call, shape: type[T]) -> T:
    """Decode JSON whatever it is declared as, or a form that is declared as one, into `shape`."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            form = dict(parse_qsl(call.body.decode(), keep_blank_values=True, max_num_fields=KEYS_MAX))
            return msgspec.convert(form, type=shape, strict=False)
        return _read_json(call.body, shape)
    except msgspec.ValidationError as fault:
        raise Refused(Refusal.FIELD_INVALID, _complaint(fault)) from fault
    except (ValueError, RecursionError) as fault:
        raise Refused(Refusal.FIELD_INVALID, Complaint("body", "is not valid JSON, or repeats a key")) from fault


def read_guid(text: str | None) -> str | None:
    """Return a UUID as we write it, or None when the text is none."""
    lower = (text or "").lower()
    return lower if _GUID.fullmatch(lower) else None


def read_number(text: str) -> int | None:
    """Return a number of the path, or None when the text is none."""
    return int(text) if _COUNT.fullmatch(text) else None


def read_funds(given: msgspec.Raw | msgspec.UnsetType, currency: str, wrong: Complaints) -> Money | None:
    """Return the amount, a JSON number or the same as text (BD11); it never passes through a float."""
    raw = b"null" if given is UNSET else bytes(given).strip()
    if raw == b"null":
        wrong.need(None, "funds")
        return None
    found = _AMOUNT.fullmatch(raw)
    if found is None:
        wrong.add("funds", "is not a plain positive decimal")
        return None
    try:
        money = Money.parse((found[1] or found[2]).decode(), currency)
    except AmountFault as fault:
        wrong.add("funds", str(fault))
        return None
    if money.minor <= 0:
        wrong.add("funds", "is above zero")
        return None
    return money


def read_comment(text: str | None, wrong: Complaints) -> str | None:
    """Return the payer's text in NFC; the bank gets it in its own alphabet."""
    if text is None or not text.strip():
        return None
    comment = unicodedata.normalize("NFC", text)
    fault = _line_fault(comment, COMMENT_LENGTH_MAX)
    if fault is None and not sepa_text(comment).strip():
        fault = "holds no character that banks carry"
    if fault:
        wrong.add("comment", fault)
    return comment


def read_order_code(given: str | int | None, wrong: Complaints) -> str | None:
    """Return the merchant's own order id; some write it as a number."""
    if given is None:
        return None
    code = str(given)
    fault = _line_fault(code, ORDER_CODE_LENGTH_MAX)
    if fault:
        wrong.add("externalOrderCode", fault)
    return code


def read_date(text: str | None, path: str, wrong: Complaints) -> date | None:
    """Return a civil date, with or without the midnight this wire prints behind it; null and absent are the same."""
    if not text:
        return None
    found = _DATE.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else text[:0])
    except ValueError:
        wrong.add(path, "is not a date such as 2031-12-24")
        return None


def read_page(call: Call) -> tuple[int, int]:
    """Return limit and offset of a listing (BD18)."""
    wrong = Complaints()
    limit, offset = _count(call, "limit", LIMIT, wrong), _count(call, "offset", 0, wrong)
    if not limit:
        wrong.add("limit", "is above zero")
    wrong.raise_any()
    return min(limit, LIMIT_MAX), offset


def _read_json(body: bytes, shape: type[T]) -> T:
    json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=str, parse_int=str)
    return msgspec.json.decode(body, type=shape)


def _count(call: Call, name: str, default: int, wrong: Complaints) -> int:
    text = call.query.get(name)
    if text is None:
        return default
    if not _COUNT.fullmatch(text):
        wrong.add(name, "is a whole number")
        return default
    return int(text)


def _line_fault(text: str, length_max: int) -> str | None:
    if len(text) > length_max:
        return f"has at most {length_max} characters"
    if any(unicodedata.category(character)[0] == "C" for character in text):
        return "holds control or formatting characters"
    return None


def _complaint(fault: msgspec.ValidationError) -> Complaint:
    """Turn the decoder's message into a complaint; it names types and paths, never values."""
    found = _FAULT.match(str(fault))
    return Complaint(found[2] or "body", found[1].lower()) if found else Complaint("body", "has another shape")


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs) or len(pairs) > KEYS_MAX:
        raise ValueError("a key is repeated")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
