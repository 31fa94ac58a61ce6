"""Requests as bytes: what a merchant's server sends on the powens wire, with every documented property filled in."""

from __future__ import annotations

import json
from typing import Any

from bench.loader import COUNT_LENGTH, KEY_LENGTH, Given, Made, Slot

REDIRECT_URI = "https://kites.example/return"
PAYEE_IBAN = "FR7630006000011234567890189"
PAYER_IBAN = "FR7640973001120142867615736"  # of the sandbox bank that payments are made at
_COUNT = "9" * COUNT_LENGTH
_KEY = "f" * KEY_LENGTH

PAYER = {
    "kind": "individual",
    "external_ref": "customer-20931",
    "first_name": "Amandine",
    "last_name": "Lefebvre-Moreau",
    "birth_city": "Clermont-Ferrand",
    "birth_country": "FR",
    "birth_date": "1987-04-23",
    "nationality": "FR",
    "postal_address": "14 rue des Petits-Gras, 63000 Clermont-Ferrand",
    "email": "amandine.lefebvre@example.com",
}

CANCEL = {"cancel": True, "client_redirect_uri": REDIRECT_URI}

PAYMENT: dict[str, Any] = {
    "client_redirect_uri": REDIRECT_URI,
    "client_state": f"order-{_COUNT}",
    "payer": {"scheme_name": "iban", "identification": PAYER_IBAN, "label": "Amandine Lefebvre-Moreau"},
    "payer_identity": PAYER,
    "instructions": [
        {
            "amount": 12.40,
            "currency": "EUR",
            "label": f"Order {_COUNT} at Kites",
            "execution_date_type": "instant",
            "beneficiary": {"scheme_name": "iban", "identification": PAYEE_IBAN, "label": "Kites SARL"},
        }
    ],
}
"""The body of every payment: about 800 bytes, one instruction, the payer's account and identity."""


def request(method: str, path: str, token: str | None, body: Any = None, **headers: str) -> str:
    """Return one request as text."""
    content = "" if body is None else json.dumps(body, separators=(",", ":"))
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if content:
        lines += ["content-type: application/json", f"content-length: {len(content.encode())}"]
    return "\r\n".join(lines) + "\r\n\r\n" + content


def creates(token: str, most: int = 10**COUNT_LENGTH) -> Made:
    """Return payments, each under an idempotency key of its own."""
    text = request("POST", "/2.0/payments", token, PAYMENT, idempotency_key=_KEY)
    head, tail = text.split(_KEY)
    counts: list[Slot] = ["count"] * tail.count(_COUNT)
    return Made([head, *tail.split(_COUNT)], ["key", *counts], most)


def reads(token: str, ids: list[int]) -> Given:
    """Return reads of these payments, one after the other and then again."""
    return Given([request("GET", f"/2.0/payments/{number}", token) for number in ids])


def listing(token: str, query: str) -> Given:
    """Return one list again and again."""
    return Given([request("GET", f"/2.0/payments?{query}", token)])


def tokens(client_id: str, client_secret: str) -> Given:
    """Return requests for a service token."""
    return Given([request("POST", "/2.0/auth/token", None, credentials(client_id, client_secret))])


def credentials(client_id: str, client_secret: str) -> dict[str, str]:
    """Return the body of such a request."""
    return {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "scope": "payments:admin",
    }


def choice(bank_id: str) -> dict[str, Any]:
    """Return the body that chooses a bank."""
    return {"validated": True, "connector_uuid": bank_id, "webview_url": REDIRECT_URI}


def choices(token: str, ids: list[int], bank_id: str) -> Given:
    """Return the choice of a bank for each of these payments, once."""
    return Given([request("POST", f"/2.0/payments/{number}", token, choice(bank_id)) for number in ids], once=True)


def live_tokens(token: str, ids: list[int]) -> Given:
    """Return requests for a token with which a browser follows each of these payments, once."""
    return Given([request("POST", f"/2.0/payments/{number}/livetoken", token, {}) for number in ids], once=True)
