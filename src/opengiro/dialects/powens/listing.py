"""`GET /payments`: every documented filter, order and paging, as conditions on our own rows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_count, read_flag
from opengiro.dialects.powens.schema import LinkOut, LinksOut, PaymentsOut
from opengiro.dialects.powens.wording import REASONS
from opengiro.dialects.powens.write import View, answer, waits_for_payer, write_payment
from opengiro.domain.clock import to_us
from opengiro.domain.complaints import Complaints
from opengiro.domain.identifiers import least_payment_id
from opengiro.domain.lifecycle import State
from opengiro.domain.merchants import Merchant
from opengiro.domain.payment import Execution, Payment
from opengiro.usecases import Core, Standing

LIMIT_MAX = 1000
_T = TypeVar("_T")

QUERY = {
    "limit": "how many, at most 1000",
    "offset": "how many to skip",
    "reverse": "true reverses the order",
    "filter": "register_date or validate_date: what the dates apply to",
    "min_date": "from this date on: YYYY-MM-DD, YYYY-MM or YYYY",
    "max_date": "before this date",
    "connector_uuid": "the bank, or null for none",
    "id_connector": "the bank's number, or null for none",
    "id_connector_source": "the bank's source, or null",
    "state": "a PaymentState",
    "error_code": "a PaymentErrorCode, in any case",
    "bank_payment_id": "the bank's own id",
    "website": "always empty here",
    "payer_identification": "the payer's account number",
    "beneficiary_identification": "an account number of a beneficiary",
    "reference_id": "an end-to-end id",
    "execution_date_type": "an ExecutionDate",
    "country": "countries of the bank, separated by commas",
    "order_by": "id, register_date, validate_date, state, connectors, amount, instruction_count, execution_date_type",
    "show_sensitive": "true adds sensitive identity data",
}

_BY_CODE = '/*postgres COLLATE "C" */'
"""Words are in the order of their characters' codes, whatever language the database was made for."""

_BY_ID = "p.payment_id"
"""Ids are drawn by the clock, so this is the order of registration too; of one millisecond's there is none."""

_ORDERS = {
    "id": _BY_ID,
    "register_date": _BY_ID,
    "validate_date": "p.validated_us",
    "state": f"p.state {_BY_CODE}",
    "connectors": f"p.bank_id {_BY_CODE}",
    "amount": "p.amount_minor",
    "instruction_count": "p.instruction_count",
    "execution_date_type": f"p.execution {_BY_CODE}",
}
_MAY_BE_ABSENT = frozenset({_ORDERS["validate_date"], _ORDERS["connectors"]})
"""Nothing comes before something, on every engine; where a column is never empty, saying so would hide its index."""

_DATES: dict[str, tuple[str, Callable[[datetime], int]]] = {
    "register_date": (_BY_ID, least_payment_id),
    "validate_date": ("p.validated_us", to_us),
}
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


@dataclass(slots=True)
class Listing:
    """A query in our own terms: conditions, their parameters from `$2` on, order and page."""

    order: str
    limit: int
    offset: int
    where: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition; each `?` in it becomes the next parameter."""
        for value in values:
            self.params.append(value)
            condition = condition.replace("?", f"${len(self.params) + 1}", 1)
        self.where.append(condition)


def read_listing(call: Call, merchant: Merchant) -> Listing:
    """Read the query string; raises `Refused` naming every parameter that is wrong."""
    wrong = Complaints()
    query = call.query
    down = read_flag(call, "reverse")
    column = _choice(_ORDERS, query.get("order_by", "register_date"), "order_by", wrong)
    way = "DESC" if down else "ASC"
    absent = ("NULLS LAST" if down else "NULLS FIRST") if column in _MAY_BE_ABSENT else ""
    listing = Listing(
        order=f"{column} {way} {absent}, {_BY_ID} {way}" if column != _BY_ID else f"{column} {way}",
        limit=min(read_count(call, "limit", LIMIT_MAX, wrong), LIMIT_MAX) or _refuse_limit(wrong),
        offset=read_count(call, "offset", 0, wrong),
    )
    listing.add("p.client_id = ?", call.caller.client_id)
    _filter_dates(listing, call, merchant, wrong)
    _filter_words(listing, call, wrong)
    _filter_accounts(listing, call)
    for name in QUERY.keys() & query.keys():
        if "\0" in query[name]:  # which no database text holds, and PostgreSQL refuses to look for
            wrong.add(name, "holds the character U+0000")
    wrong.raise_any()
    return listing


async def write_page(call: Call, listing: Listing, view: View) -> Answer:
    """Write one page with its total and the links to its neighbours (PU11)."""
    core, merchant_id = call.core, call.caller.merchant_id
    payments, total = await core.store.payments.page(
        merchant_id, listing.where, listing.params, listing.order, listing.limit, listing.offset
    )
    standings = await _standings(core, payments)
    written = [write_payment(one, view) for one in standings]
    return answer(PaymentsOut(payments=written, total=total, links=_links(call, listing, total)))


async def _standings(core: Core, payments: Sequence[Payment]) -> list[Standing]:
    """Return where payments stand; attempts are looked up where they show, all at once."""
    keys = [(one.merchant_id, one.payment_id) for one in payments if waits_for_payer(one)]
    attempts = await asyncio.gather(*(core.store.attempts.last(*key) for key in keys))
    found = dict(zip(keys, attempts, strict=True))
    return [Standing(one, found.get((one.merchant_id, one.payment_id))) for one in payments]


def _links(call: Call, listing: Listing, total: int) -> LinksOut:
    def link(offset: int) -> LinkOut:
        query = {**call.query, "limit": str(listing.limit), "offset": str(offset)}
        return LinkOut(href=f"{call.base}/payments?{urlencode(query)}")

    before, after = listing.offset - listing.limit, listing.offset + listing.limit
    return LinksOut(
        prev=link(max(before, 0)) if listing.offset > 0 else None,
        self=link(listing.offset),
        next=link(after) if after < total else None,
    )


def _filter_dates(listing: Listing, call: Call, merchant: Merchant, wrong: Complaints) -> None:
    column, stored = _choice(_DATES, call.query.get("filter", "register_date"), "filter", wrong)
    for name, sign in (("min_date", ">="), ("max_date", "<")):
        text = call.query.get(name)
        if text is None:
            continue
        day = _first_day(text)
        if day is None:
            wrong.add(name, "is a date such as 2031-12-24, 2031-12 or 2031")
        else:
            listing.add(f"{column} {sign} ?", stored(datetime.combine(day, time(), ZoneInfo(merchant.zone))))


def _filter_words(listing: Listing, call: Call, wrong: Complaints) -> None:
    query = call.query
    if "state" in query:
        listing.add("p.state = ?", _choice({one.value: one.value for one in State}, query["state"], "state", wrong))
    if "execution_date_type" in query:
        kinds = {one.value: one.value for one in Execution}
        listing.add("p.execution = ?", _choice(kinds, query["execution_date_type"], "execution_date_type", wrong))
    if "error_code" in query:
        # Compared without regard to case, since the documentation itself spells it both ways (PC10).
        codes = {word.lower(): reason.value for reason, word in REASONS.items()}
        listing.add("p.reason = ?", codes.get(query["error_code"].lower(), ""))
    if "country" in query:
        countries = [code.strip().upper() for code in query["country"].split(",") if code.strip()]
        listing.add(f"p.country IN ({', '.join('?' * len(countries)) or 'NULL'})", *countries)
    if "bank_payment_id" in query:
        listing.add("p.bank_payment_id = ?", query["bank_payment_id"])
    if query.get("website"):
        listing.add("1 = 0")  # our banks have no websites
    _filter_bank(listing, call, wrong)


def _filter_bank(listing: Listing, call: Call, wrong: Complaints) -> None:
    uuid = call.query.get("connector_uuid")
    if uuid is not None:
        listing.add(*(("p.bank_id IS NULL",) if uuid == "null" else ("p.bank_id = ?", uuid.lower())))
    for name in ("id_connector", "id_connector_source"):  # a bank's one source has the bank's own number
        text = call.query.get(name)
        if text == "null":
            listing.add("p.bank_id IS NULL")
        elif text is not None:
            bank = call.core.store.banks.by_number(read_count(call, name, 0, wrong))
            listing.add("p.bank_id = ?", bank.bank_id if bank else "")


def _filter_accounts(listing: Listing, call: Call) -> None:
    query, index = call.query, call.core.store.payments.index
    if "payer_identification" in query:
        listing.add("p.payer_index = ?", index(_compact(query["payer_identification"])))
    inside = "EXISTS (SELECT 1 FROM instructions i WHERE i.merchant_id = p.merchant_id AND i.payment_id = p.payment_id"
    if "beneficiary_identification" in query:
        listing.add(f"{inside} AND i.payee_index = ?)", index(_compact(query["beneficiary_identification"])))
    if "reference_id" in query:
        listing.add(f"{inside} AND i.reference_id = ?)", query["reference_id"])


def _choice(table: dict[str, _T], word: str, path: str, wrong: Complaints) -> _T:
    if word not in table:
        wrong.add(path, "is not one of the documented values")
        return next(iter(table.values()))
    return table[word]


def _refuse_limit(wrong: Complaints) -> int:
    wrong.add("limit", "is above zero")
    return LIMIT_MAX


def _first_day(text: str) -> date | None:
    found = _DATE.fullmatch(text)
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None


def _compact(number: str) -> str:
    return re.sub(r"[ \-]", "", number).upper()
