"""Holds both sides of an exchange with a bank against the official file of the standard."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from opengiro.connectors import HttpLine
from opengiro.domain.banks import Reply

HOST = "http://bank.example"


class Official:
    """The official file, loaded once."""

    def __init__(self, path: Path) -> None:
        self.file = _stringly(yaml.load(path.read_text("utf-8"), yaml.CSafeLoader))
        served = self.file | {"servers": [{"url": HOST}]}
        self._openapi = OpenAPI.from_dict(served)
        self._of_periodic = OpenAPI.from_dict(of_periodic(served))

    def words(self, schema: str) -> set[str]:
        """The words that an enumeration of the file lists."""
        return set(self.file["components"]["schemas"][schema]["enum"])

    def check(self, method: str, path: str, headers: Mapping[str, str], body: bytes, reply: Reply) -> None:
        """Fail unless the request and the reply are what the file declares."""
        request = MockRequest(
            HOST,
            method.lower(),
            path,
            headers=dict(headers),
            data=_with_debtor(method, path, body) or None,
            content_type="application/json",
        )
        answer = MockResponse(
            reply.body,
            status_code=reply.status,
            headers=dict(reply.headers),
            content_type=reply.headers.get("content-type", "application/json"),
        )
        openapi = self._of_periodic if path.startswith("/v1/periodic-payments") else self._openapi
        faults = [*openapi.iter_request_errors(request), *openapi.iter_response_errors(request, answer)]
        assert not faults, (method, path, body, reply, faults)


class JudgedLine(HttpLine):
    """A line that holds every exchange against the official file and writes it down as a log would."""

    def __init__(self, official: Official | None = None) -> None:
        super().__init__()
        self._official = official
        self.recorded: list[str] = []
        self.asked: list[tuple[str, str]] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout_s: float = 15
    ) -> Reply:
        path = urlsplit(url).path
        path = path[path.index("/v1/") :]
        self.asked.append((method, path))
        self.recorded.append(f"{method} {url} {json.dumps(dict(headers))} {body.decode()}")
        reply = await super().send(method, url, headers, body, timeout_s)
        self.recorded.append(f"{reply.status} {json.dumps(dict(reply.headers))} {reply.body.decode()}")
        if self._official:
            self._official.check(method, path, headers, body, reply)
        return reply


def of_periodic(node: Any) -> Any:
    """Return the file as it is meant for standing orders.

    It wants a body to have exactly one of several shapes, and every standing order has that of a single payment, too.
    """
    if isinstance(node, dict):
        return {key: of_periodic(_only_periodic(value) if key == "oneOf" else value) for key, value in node.items()}
    return [of_periodic(value) for value in node] if isinstance(node, list) else node


def _only_periodic(shapes: list[Any]) -> list[Any]:
    named = [shape for shape in shapes if "/periodicPaymentInitiation" in str(shape.get("$ref"))]
    return named or shapes


def _stringly(node: object) -> Any:
    """Give the file the types of JSON: YAML reads status codes as numbers and samples as dates."""
    if isinstance(node, dict):
        return {str(key): _stringly(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_stringly(value) for value in node]
    return node.isoformat() if isinstance(node, date) else node


def _with_debtor(method: str, path: str, body: bytes) -> bytes:
    # The file demands the payer's account, which banks that let the payer choose it do not; its absence is the
    # one liberty we take, so an order without it is judged as if it had one.
    if method != "POST" or path.endswith("authorisations"):
        return body
    return json.dumps({"debtorAccount": {"iban": "DE89370400440532013000"}} | json.loads(body)).encode()
