"""The people of the sandbox stories: banks on a real loopback socket, a TPP that calls them, a payer with a browser."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import uvicorn

from opengiro_sandbox import build
from opengiro_sandbox.sandbox import build_alone

TPP = "https://tpp.example/back?payment=1"
TPP_NOK = "https://tpp.example/sorry?payment=1"
NOON = datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
PAYEE_IBAN = "FR7630006000011234567890189"

Answer = httpx2.Response
Judge = Callable[[str, str, Answer], None]


class Clock:
    """The banks' clock, at noon in Paris until a test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **step: int) -> None:
        self.at += timedelta(**step)


class Bank:
    """A TPP's view of one bank; every answer is judged by the official file when there is one."""

    def __init__(self, base_url: str, code: str, http: httpx2.Client, judge: Judge) -> None:
        self.url = f"{base_url}/{code}"
        self.code = code
        self.http = http
        self.judge = judge

    def call(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"X-Request-ID": str(uuid.uuid4())} | options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        url = path if path.startswith("http") else urljoin(self.url + "/", path.removeprefix("/"))
        answer = self.http.request(method, url, headers=headers, **options)
        self.judge(method, urlsplit(url).path.removeprefix(urlsplit(self.url).path), answer)
        return answer

    def post_payment(self, product: str = "instant", headers: dict[str, Any] | None = None, **body: Any) -> Answer:
        wire = order(**body)
        return self.call(
            "POST", products_path(product), headers=TPP_HEADERS | (headers or {}), content=json.dumps(wire)
        )

    def pay(self, product: str = "instant", headers: dict[str, Any] | None = None, **body: Any) -> "Paying":
        answer = self.post_payment(product, headers, **body)
        assert answer.status_code == 201, answer.text
        return Paying(self, product, answer.json())

    def stand(self, **dates: Any) -> "Paying":
        wire = json.dumps(order(**dates))
        answer = self.call("POST", products_path("periodic"), headers=TPP_HEADERS, content=wire)
        assert answer.status_code == 201, answer.text
        return Paying(self, "periodic", answer.json())

    def executions(self) -> list[tuple[str, str]]:
        return [(one["due"], one["reason"]) for line in self.ledger() for one in line["standing"]["executions"]]

    def ledger(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = self.http.get(f"{self.url}/ledger").json()["payments"]
        return lines

    def balances(self) -> dict[str, str]:
        accounts = self.http.get(f"{self.url}/ledger").json()["accounts"]
        return {account["label"]: account["balance"] for account in accounts}

    def ibans(self) -> dict[str, str]:
        accounts = self.http.get(f"{self.url}/ledger").json()["accounts"]
        return {account["label"]: account["iban"] for account in accounts}


class Paying:
    """One payment as its TPP and its payer see it."""

    def __init__(self, bank: Bank, product: str, first: dict[str, Any]) -> None:
        self.bank = bank
        self.first = first
        self.path = f"{products_path(product)}/{first['paymentId']}"

    def href(self, name: str) -> str:
        return urljoin(self.bank.url + "/", str(self.first["_links"][name]["href"]))

    def said(self) -> dict[str, Any]:
        said: dict[str, Any] = self.bank.call("GET", f"{self.path}/status").json()
        return said

    def status(self) -> str:
        return str(self.said()["transactionStatus"])

    def sca(self) -> str:
        return str(self.bank.call("GET", self.href("scaStatus")).json()["scaStatus"])

    def delete(self) -> Answer:
        return self.bank.call("DELETE", self.path)

    def payer(self) -> "Payer":
        return Payer(self.bank, self.href("scaRedirect"))


class Payer:
    """A browser without JavaScript at the bank's pages."""

    def __init__(self, bank: Bank, link: str) -> None:
        self.bank = bank
        self.link = link

    def get(self, step: str = "", lang: str = "en") -> Answer:
        return self.bank.http.get(self.link + step, headers={"Accept-Language": lang})

    def post(self, step: str = "", **fields: str) -> Answer:
        return self.bank.http.post(self.link + step, data=fields)

    def log_in(self) -> Answer:
        return self.post(user="40 281 977", password="sandbox")

    def choose(self, label: str = "everyday") -> Answer:
        return self.post("/account", account=self.bank.ibans()[label])

    def decide(self, decision: str) -> Answer:
        return self.post("/approve", decision=decision)

    def go_through(self, decision: str, label: str = "everyday") -> str:
        self.log_in()
        self.choose(label)
        answer = self.decide(decision)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])


TPP_HEADERS = {
    "Content-Type": "application/json",
    "PSU-IP-Address": "192.0.2.7",
    "TPP-Redirect-URI": TPP,
    "TPP-Nok-Redirect-URI": TPP_NOK,
}


def products_path(product: str) -> str:
    return {
        "instant": "/v1/payments/instant-sepa-credit-transfers",
        "sct": "/v1/payments/sepa-credit-transfers",
        "periodic": "/v1/periodic-payments/sepa-credit-transfers",
    }[product]


def order(**changes: Any) -> dict[str, Any]:
    body = {
        "instructedAmount": {"currency": "EUR", "amount": "42.50"},
        "creditorAccount": {"iban": PAYEE_IBAN},
        "creditorName": "Maison Amarante SAS",
        "remittanceInformationUnstructured": "Order 1001",
        "endToEndIdentification": "E2E-1001",
    } | changes
    return {key: value for key, value in body.items() if value is not None}


@contextmanager
def serving(app: Any, listening: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)


class Sandbox:
    """A running sandbox: its banks, its clock, and a plug to pull."""

    def __init__(self, data: Path, judge: Judge) -> None:
        self.data = data
        self.judge = judge
        self.clock = Clock()
        self.base_url = ""
        self.http = httpx2.Client(follow_redirects=False, timeout=10)

    @contextmanager
    def running(self, *, alone: bool = False) -> Iterator["Sandbox"]:
        listening = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = build_alone(self.data, self.base_url) if alone else build(self.data, self.base_url, self.clock)
        with serving(app, listening):
            yield self

    def bank(self, code: str = "horizon") -> Bank:
        return Bank(self.base_url, code, self.http, self.judge)
