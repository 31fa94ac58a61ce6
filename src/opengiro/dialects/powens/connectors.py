"""Connectors of the powens wire: the banks a payer may choose, for everyone to read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct

from opengiro.dialects import Answer, Call, Handler
from opengiro.dialects.powens.directory import ConnectorOut, SourceOut, write_connector, write_source
from opengiro.dialects.powens.read import read_count, read_flag, read_number
from opengiro.dialects.powens.write import answer
from opengiro.domain.banks import Bank
from opengiro.domain.complaints import Complaints
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.usecases.list_banks import list_banks, list_favourites
from opengiro.usecases.merchant_at import merchant_at

LIMIT_MAX = 1000
TOP_SPAN = timedelta(days=30)

QUERY = {
    "id_payment": "only banks that can execute this payment",
    "country_codes": "only banks of these countries, separated by commas",
    "expand": "any of payment_fields, fields, sources, countries, urls, separated by commas",
    "all": "true adds hidden banks",
    "top": "only so many, those most used in the last month first",
    "top_key": "payments: what top counts",
    "limit": "how many, at most 1000",
    "offset": "how many to skip",
}
EXPAND = {"expand": QUERY["expand"]}


class ConnectorsOut(Struct):
    """A list of connectors."""

    connectors: list[ConnectorOut]
    total: int


class BanksOut(Struct):
    """The same list under a deprecated name."""

    banks: list[ConnectorOut]
    total: int


class BankProvidersOut(Struct):
    """The same list under another deprecated name."""

    providers: list[ConnectorOut]
    total: int


class SourcesOut(Struct):
    """The sources of one connector."""

    sources: list[SourceOut]
    total: int


def list_connectors(shape: Callable[[list[ConnectorOut], int], Struct]) -> Handler:
    """Return the handler that lists banks under the key of this shape."""

    async def handle(call: Call) -> Answer:
        expand = _expansions(call)
        wrong = Complaints()
        limit, offset = read_count(call, "limit", LIMIT_MAX, wrong), read_count(call, "offset", 0, wrong)
        top = read_count(call, "top", 0, wrong)
        if call.query.get("top_key", "payments") != "payments":
            wrong.add("top_key", "is payments")
        wrong.raise_any()
        banks = await _asked_for(call)
        if top:
            banks = await _most_used(call, banks, top)
        page = banks[offset : offset + min(limit, LIMIT_MAX)]
        return answer(shape([_write(call, bank, expand) for bank in page], len(banks)))

    return handle


async def read_connector(call: Call) -> Answer:
    """Read one bank by its uuid or its number; whoever knows it may read a hidden one."""
    return answer(_write(call, _named(call), _expansions(call)))


async def list_sources(call: Call) -> Answer:
    """List the ways in which we reach a bank: there is one."""
    bank = _named(call)
    return answer(SourcesOut([write_source(bank, call.core.connectors[bank.connector])], 1))


async def read_source(call: Call) -> Answer:
    """Read one source of a bank."""
    bank = _named(call)
    if read_number(call, "source_id") != bank.number:
        raise Refused(Refusal.NOT_FOUND)
    return answer(write_source(bank, call.core.connectors[bank.connector]))


async def _asked_for(call: Call) -> list[Bank]:
    """Return the banks that the query leaves over."""
    payment = await _payment(call)
    banks = list_banks(call.core, payment, hidden=read_flag(call, "all"))
    countries = {code.strip().upper() for code in call.query.get("country_codes", "").split(",") if code.strip()}
    return [bank for bank in banks if not countries or countries & set(bank.countries)]


async def _payment(call: Call) -> Payment | None:
    """Return the payment of the query: the caller's own, or anybody's of the merchant that was called.

    Without a token it tells no more than which banks suit it, as the wire documents.
    """
    text = call.query.get("id_payment")
    if text is None:
        return None
    caller = call.principal
    merchant_id = caller.merchant_id if caller else await merchant_at(call.core, call.headers.get("host", ""))
    if merchant_id is None or not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII):
        raise Refused(Refusal.NOT_FOUND)
    payment = await call.core.payment(merchant_id, int(text))
    foreign = caller and caller.client_id not in (None, payment.client_id)
    if foreign or (caller and caller.payment_id not in (None, payment.payment_id)):
        raise Refused(Refusal.NOT_FOUND)
    return payment


async def _most_used(call: Call, banks: list[Bank], top: int) -> list[Bank]:
    caller = call.principal
    merchant_id = caller.merchant_id if caller else await merchant_at(call.core, call.headers.get("host", ""))
    if merchant_id is None:
        return []
    return (await list_favourites(call.core, merchant_id, banks, TOP_SPAN))[:top]


def _named(call: Call) -> Bank:
    name, banks = call.path["connector"], call.core.store.banks
    numbered = re.fullmatch(r"[0-9]{1,9}", name, re.ASCII)
    bank = banks.by_number(int(name)) if numbered else banks.get(name.lower())
    if bank is None or bank.connector not in call.core.connectors:
        raise Refused(Refusal.NOT_FOUND)
    return bank


def _write(call: Call, bank: Bank, expand: frozenset[str]) -> ConnectorOut:
    return write_connector(bank, call.core.connectors[bank.connector], expand)


def _expansions(call: Call) -> frozenset[str]:
    """Return what to add; nested expansions (`a[b]`) add nothing more here, and unknown ones nothing at all."""
    flat = re.sub(r"\[[^\[\]]*\]", "", call.query.get("expand", "")[:1000])
    return frozenset(name.strip() for name in flat.split(","))
