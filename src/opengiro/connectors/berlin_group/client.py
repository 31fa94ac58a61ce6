"""The wire of Berlin Group NextGenPSD2 1.3: paths and headers of each request, one function a request.

Raises only `BankTrouble`, and never sends anything twice. Links are followed only at the bank's own origin;
elsewhere the standard's own path is used.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import quote

from opengiro.connectors.berlin_group import translate
from opengiro.connectors.berlin_group.answer import Answer, read_answer, same_bank
from opengiro.domain.banks import BankTrouble, Errand, Line, Moved

_ASK_TIMEOUT_S = 10
_AGENT_LENGTH_MAX = 500


async def initiate_payment(line: Line, errand: Errand) -> Answer:
    """Ask the bank to prepare the payment."""
    order = errand.orders[0]
    url = f"{_root(errand)}/{translate.product(order)}"
    body = translate.periodic_body(order) if order.recurrence else translate.payment_body(order)
    headers = _asking(errand.request_id) | _returning(errand) | _payer(errand)
    return await _order(line, errand, "POST", url, headers, body)


async def start_authorisation(line: Line, errand: Errand, url: str, psu_id: str | None = None) -> Answer:
    """Start an authorisation, of a payment or of its cancellation, at the address `url`."""
    headers = _asking(_id(errand, "POST", url)) | _returning(errand) | _payer(errand)
    if psu_id:
        headers["PSU-ID"] = psu_id
    return await _order(line, errand, "POST", url, headers, b"{}")


async def cancel_payment(line: Line, errand: Errand, product: str) -> Answer:
    """Ask the bank to cancel the payment; a refusal is an answer, not trouble."""
    url = payment_url(errand, product)
    headers = _asking(_id(errand, "DELETE", url)) | _returning(errand) | _payer(errand)
    answer = await _exchange(line, errand, "DELETE", url, headers)
    if answer.status < 200 or answer.status >= 500 or answer.status in {408, 429}:
        raise translate.trouble(answer)
    return answer


async def ask_status(line: Line, errand: Errand, product: str) -> Answer:
    """Ask where the payment stands."""
    answer = await _ask(line, errand, payment_url(errand, product) + "/status")
    if answer.status != 200 or not answer.payment_status:
        raise _no_news(answer)
    return answer


async def ask_sca(line: Line, errand: Errand, url: str) -> Answer | None:
    """Ask where the payer's approval stands; None where the bank does not tell."""
    answer = await _ask(line, errand, url)
    if answer.status in {429, 408} or answer.status >= 500:
        raise _no_news(answer)
    return answer if answer.status == 200 else None


async def find_authorisation(line: Line, errand: Errand, product: str) -> str | None:
    """Return the address of the payment's latest authorisation, None where the bank lists none."""
    url = payment_url(errand, product) + "/authorisations"
    answer = await ask_sca(line, errand, url)
    listed = answer.body.get("authorisationIds") if answer else None
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    return f"{url}/{quote(names[-1], safe='')}" if names else None


def payment_url(errand: Errand, product: str) -> str:
    """Return the address of the attempt's payment; raises `BankTrouble` while the bank has not named it."""
    if not errand.bank_payment_id:
        raise BankTrouble(
            "the bank never named the payment, so it cannot be asked", permanent=True, money=Moved.UNKNOWN
        )
    return f"{_root(errand)}/{product}/{quote(errand.bank_payment_id, safe='')}"


def at_bank(errand: Errand, url: str, standard: str) -> str:
    """Return an address the bank named if it is the bank's own, else the standard's."""
    return url if same_bank(url, errand.bank.base_url) else standard


def _root(errand: Errand) -> str:
    return f"{errand.bank.base_url.rstrip('/')}/v1/{translate.service(errand.orders[0])}"


async def _order(line: Line, errand: Errand, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
    answer = await _exchange(line, errand, method, url, headers | {"Content-Type": "application/json"}, body)
    if answer.status not in {200, 201} or not answer.body:
        raise translate.trouble(answer)
    return answer


async def _ask(line: Line, errand: Errand, url: str) -> Answer:
    # No payer headers: they would claim that the payer is here asking, and mostly it is a timer.
    return await _exchange(line, errand, "GET", url, _asking(_id(errand, "GET", url)))


async def _exchange(
    line: Line, errand: Errand, method: str, url: str, headers: dict[str, str], body: bytes = b""
) -> Answer:
    if method == "GET":
        reply = await line.send(method, url, headers, timeout_s=_ASK_TIMEOUT_S)
    else:
        reply = await line.send(method, url, headers, body)
    return read_answer(reply, errand.bank.base_url, url)


def _no_news(answer: Answer) -> BankTrouble:
    # Whatever the bank answers to a question, it tells nothing of the money: a 404 is no refusal.
    permanent = 400 <= answer.status < 500 and answer.status not in {408, 429}
    return BankTrouble(translate.said(answer), permanent=permanent, money=Moved.UNKNOWN, retry_after=answer.retry_after)


def _asking(request_id: str) -> dict[str, str]:
    return {"Accept": "application/json", "X-Request-ID": request_id}


def _id(errand: Errand, method: str, url: str) -> str:
    # Every request has its own id; the moment tells apart the same question asked again.
    return str(uuid.uuid5(uuid.UUID(errand.request_id), f"{method} {url} {errand.now.isoformat()}"))


def _returning(errand: Errand) -> dict[str, str]:
    headers = {
        "TPP-Redirect-Preferred": "false" if errand.bank.decoupled else "true",
        "TPP-Redirect-URI": errand.return_url,
    }
    if errand.bank.decoupled:
        headers["TPP-Decoupled-Preferred"] = "true"
    if errand.bank.profile.get("nok_uri") != "no":
        # The same address: how the payer comes back decides nothing, the bank is asked.
        headers["TPP-Nok-Redirect-URI"] = errand.return_url
    return headers


def _payer(errand: Errand) -> dict[str, str]:
    ipv6 = errand.bank.profile.get("psu_ipv6") == "yes"
    headers = {"PSU-IP-Address": translate.payer_ip(errand.payer_ip, ipv6=ipv6)}
    if agent := re.sub(r"[^ -~]", "", errand.payer_agent or "")[:_AGENT_LENGTH_MAX].strip():
        headers["PSU-User-Agent"] = agent
    return headers


_IBAN = re.compile(r"\b([A-Z]{2})[0-9]{2}(?: ?[A-Z0-9]){10,29}([A-Z0-9])\b")
_NAMED = re.compile(r"(?i)\b(authorization|psu-id|signature|tpp-signature-certificate)(\"?\s*[:=]\s*\"?)[^\r\n\"]+")
_TICKET = re.compile(r"(/return/)[\w.~-]+")


def scrub(text: str) -> str:
    """Return recorded text without account numbers, tickets, and headers that name or prove somebody."""
    text = _NAMED.sub(r"\1\2***", text)
    text = _TICKET.sub(r"\1***", text)
    return _IBAN.sub(r"\1***", text)
