"""A payer's browser that stays on the page: it follows a payment live."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from tests.faults.fleet import Machine


class Stream:
    """Follows a payment at one machine, as an `EventSource` does."""

    def __init__(self, machine: Machine, payment_id: int, token: str, after: int | None = None) -> None:
        url = f"{machine.url}/live/{payment_id}/events?token={token}"
        known = {} if after is None else {"last-event-id": str(after)}
        self._client = httpx2.Client(trust_env=False, timeout=60)
        self._answer = self._client.send(self._client.build_request("GET", url, headers=known), stream=True)
        assert self._answer.status_code == 200
        self._lines = self._answer.iter_lines()

    def next(self, kind: str) -> dict[str, Any]:
        """Return the next event of a kind."""
        for line in self._lines:
            if line.startswith("data: ") and (event := json.loads(line[6:]))["type"] == kind:
                return dict(event)
        raise AssertionError("the stream ended")

    def close(self) -> None:
        """Leave."""
        self._answer.close()
        self._client.close()
