"""Clients that create payments over HTTP and write down what they were told, and when."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Any

from tests.cli.laptop import IBAN
from tests.cli.operator import REDIRECT_URI
from tests.faults.crew import Crew

CLIENTS = 8
PACE_S = 0.02
"""A pause after each answer, unless told otherwise: faults are measured here, not speed."""
AGAIN_S = 0.2
"""Shorter than any Retry-After, so that the end of an outage is seen soon."""
TIMEOUT_S = 20.0
_PATIENCE_S = 120


class Outcome(StrEnum):
    """What a client knows after a call."""

    ACKED = "acked"  #: the payment is promised
    REFUSED = "refused"  #: 503 with Retry-After
    BROKEN = "broken"  #: no answer
    WRONG = "wrong"  #: an answer that must not be


@dataclass(frozen=True, slots=True)
class Told:
    """One call and what came of it; times are of the monotonic clock."""

    key: str
    began: float
    ended: float
    outcome: Outcome
    payment_id: int = 0
    said: str = ""
    sent_us: int = 0  #: when it was sent, on the wall clock


@dataclass(slots=True)
class Load:
    """Clients at work. Each asks again with the same key until its payment is promised."""

    port: int
    token: str
    pace_s: float = PACE_S
    told: list[Told] = field(default_factory=list)
    _crew: Crew = field(default_factory=Crew)

    def start(self) -> None:
        """Set the clients to work."""
        self._crew.start(self._run, CLIENTS)

    def stop(self) -> None:
        """Let each client finish the payment it is at."""
        if not self._crew.stop(_PATIENCE_S):
            raise TimeoutError(f"a client still waits for its payment and was told: {answers(self.told)}")

    def acked_since(self, moment: float) -> int:
        """Count payments asked for after a moment and promised since."""
        return sum(1 for one in self.told[-500:] if one.began > moment and one.outcome is Outcome.ACKED)

    def _run(self) -> None:
        caller = Caller(self.port, self.token)
        while not self._crew.over:
            key, patience = str(uuid.uuid4()), 600
            while patience:
                told = caller.create(key)
                self.told.append(told)
                if told.outcome is Outcome.ACKED:
                    break
                patience -= 1
                time.sleep(AGAIN_S)
            time.sleep(self.pace_s)


class Caller:
    """One client with its connection."""

    def __init__(self, port: int, token: str, timeout_s: float = TIMEOUT_S) -> None:
        """Connect at the first call."""
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def create(self, key: str) -> Told:
        """Ask for a payment under this key, once."""
        began, sent_us = time.monotonic(), time.time_ns() // 1000
        try:
            self._line.request(
                "POST", "/2.0/payments", json.dumps(_body(key)), self._headers | {"idempotency-key": key}
            )
            answer = self._line.getresponse()
            read = answer.read()
        except (OSError, http.client.HTTPException) as trouble:
            self._line.close()
            return Told(key, began, time.monotonic(), Outcome.BROKEN, said=type(trouble).__name__)
        return replace(_judge(key, began, answer, read), sent_us=sent_us)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


def token(port: int, merchant: dict[str, Any]) -> str:
    """Ask for a service token."""
    form = {"grant_type": "client_credentials", "scope": "payments:admin"}
    form |= {name: merchant[name] for name in ("client_id", "client_secret")}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    head = {"content-type": "application/x-www-form-urlencoded"}
    line.request("POST", "/2.0/auth/token", urllib.parse.urlencode(form), head)
    text: str = json.loads(line.getresponse().read())["token"]
    line.close()
    return text


def outage(told: Iterable[Told]) -> float:
    """Return the longest time between two promises."""
    ends = sorted(one.ended for one in told if one.outcome is Outcome.ACKED)
    return max(late - early for early, late in pairwise(ends))


def answers(told: Iterable[Told]) -> Counter[str]:
    """Count the outcomes, and word for word those that must not be."""
    return Counter(one.said if one.outcome is Outcome.WRONG else one.outcome.value for one in told)


def repeated(told: Iterable[Told]) -> list[Told]:
    """Return the promises that took more than one call."""
    asked: set[str] = set()
    found = []
    for one in told:
        if one.key in asked and one.outcome is Outcome.ACKED:
            found.append(one)
        asked.add(one.key)
    return found


def _judge(key: str, began: float, answer: http.client.HTTPResponse, read: bytes) -> Told:
    ended = time.monotonic()
    if answer.status in (200, 201):
        return Told(key, began, ended, Outcome.ACKED, json.loads(read)["id"])
    if answer.status == 503 and answer.headers.get("retry-after"):
        return Told(key, began, ended, Outcome.REFUSED)
    return Told(key, began, ended, Outcome.WRONG, said=f"{answer.status} {read[:200].decode(errors='replace')}")


def _body(key: str) -> dict[str, Any]:
    instruction = {
        "label": f"Order {key[:8]}",
        "amount": 50.90,
        "currency": "EUR",
        "execution_date_type": "instant",
        "beneficiary": {"scheme_name": "iban", "identification": IBAN, "label": "Kites"},
    }
    return {"client_redirect_uri": REDIRECT_URI, "instructions": [instruction]}
