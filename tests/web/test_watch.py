"""Each request has an id, a line and a measure, and none of them tells what a caller, a payer or a bank wrote."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from opengiro.settings import Settings
from opengiro.telemetry import spans
from opengiro.web.metrics import look, metrics
from opengiro.wiring import DIALECTS, _journal, log_as_json, web_app
from tests.server import IBAN, House, order, until

PAYER_IBAN = "FR7630001007941234567890185"
CANARIES = ("Zebulon", "Quokka", "canary", PAYER_IBAN, IBAN, "7630001007941")
DEAD = "http://127.0.0.1:9/canary-hook"


@pytest.fixture
async def logged(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the same house through an app that writes its journal."""
    app = web_app(house.core, Settings(data=Path("unused"), base_url=house.base_url))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app, False), base_url=house.base_url) as http:
        log_as_json()
        yield http
        structlog.reset_defaults()


@pytest.fixture
def traced() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.trace_with(provider.get_tracer("test"))
    yield exporter
    spans.trace_with(None)


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the journal wrote so far."""
    _journal().flush()
    written = capfd.readouterr().out
    return [msgspec.json.decode(line) for line in written.splitlines() if line.startswith('{"request_id')]


async def scraped(house: House) -> str:
    """What Prometheus would fetch."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(metrics(house.core))) as http:
        return (await http.get("http://metrics/metrics")).text


def value(page: str, name: str, **labels: str) -> float:
    """The sum of a meter over all series that have these labels."""
    found = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(
        float(line.rpartition(" ")[2]) for line in found if all(f'{key}="{one}"' in line for key, one in labels.items())
    )


@pytest.mark.parametrize("given", [str(uuid.UUID(int=7)), "0af7651916cd43dd8448eb211c80319c"])
async def test_a_callers_id_is_the_requests_id(house: House, given: str) -> None:
    answer = await house.http.get(f"{house.api}/payments", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


async def test_the_trace_of_a_caller_is_the_requests_id(house: House) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await house.http.get(f"{house.api}/payments", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.headers["x-request-id"] == trace


@pytest.mark.parametrize("given", [PAYER_IBAN, "DE89370400440532013000", "Zebulon", "a b", "{}"])
async def test_what_might_be_somebodys_number_is_no_id(house: House, given: str) -> None:
    answer = await house.http.get(f"{house.api}/payments", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == str(answer.json()["request_id"])


async def test_a_line_tells_route_status_duration_and_merchant(
    house: House, logged: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    token = await house.token()
    made = await logged.post("/2.0/payments", json=order(), headers={"authorization": f"Bearer {token}"})
    await logged.get(f"/2.0/payments/{made.json()['id']}?secret=canary")
    await logged.get("/nowhere/canary")
    create, read, nowhere = lines(capfd)
    assert (create["method"], create["route"], create["status"]) == ("POST", "/2.0/payments", 200)
    assert (create["wire"], create["merchant_id"], create["event"]) == ("powens", house.merchant_id, "request")
    assert create["request_id"] == made.headers["x-request-id"]
    assert (read["route"], read["status"]) == ("/2.0/payments/{payment_id}", 401)
    assert (nowhere["route"], nowhere["status"]) == ("(none)", 404)


async def _live_through(house: House, http: httpx2.AsyncClient) -> None:
    """Send canaries wherever a caller, a payer or a bank can write."""
    token = await house.token()
    bearer = {"authorization": f"Bearer {token}", "user-agent": "canary/1", "x-canary": "canary"}
    hook = {"url": DEAD, "event": "PAYMENT_STATE_UPDATED", "type": "PAYMENT_STATE_UPDATED"}
    await house.call("POST", "/webhooks", hook, token=house.credentials.config_token)
    payer = {"scheme_name": "iban", "identification": PAYER_IBAN, "label": "Zebulon Quokka"}
    made = await http.post("/2.0/payments", json=order("canary label", payer=payer), headers=bearer)
    number = made.json()["id"]
    bank = next(one for one in house.core.store.banks.all() if one.slug == "horizon")
    choice = {"validated": True, "connector_uuid": bank.bank_id, "webview_url": "https://shop.test/callback"}
    await http.post(f"/2.0/payments/{number}", json=choice, headers=bearer)
    await http.get(f"/2.0/payments/{number}?canary=canary", headers=bearer)
    await http.get("/2.0/payments/canary", headers=bearer)
    await http.post("/2.0/payments", content=b'{"canary": "Zebulon', headers=bearer)
    await http.post("/2.0/payments", json={"instructions": "Zebulon"}, headers={"authorization": "Bearer canary"})
    await http.post("/oauth/token", json={"grant_type": "password", "client_id": "canary", "password": "canary"})
    await http.get(f"/webview/canary?token={token}")
    await http.get("/checkout/canary", headers={"cookie": "opengiro_canary=canary"})
    await http.request("BREW", "/2.0/payments/canary", headers=bearer)


async def test_no_canary_gets_into_lines_meters_or_spans(
    house: House, logged: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str], traced: InMemorySpanExporter
) -> None:
    await _live_through(house, logged)
    page = await scraped(house)
    _journal().flush()
    told = capfd.readouterr()
    spoken = "".join(span.to_json() for span in traced.get_finished_spans())
    secrets = (*CANARIES, await house.token(), house.credentials.client_secret)
    for text in (told.out, told.err, page, spoken):
        assert text or text is told.err
        assert [one for one in secrets if one in text] == []


async def test_a_bug_is_logged_and_counted_without_what_was_sent(
    house: House, logged: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(_self: object, *_: object) -> None:
        raise RuntimeError("burst")

    before = value(await scraped(house), "opengiro_faults_total")
    token = await house.token()
    monkeypatch.setattr(type(house.core.store.payments), "create", burst)
    payer = {"scheme_name": "iban", "identification": PAYER_IBAN, "label": "Zebulon Quokka"}
    answer = await logged.post("/2.0/payments", json=order(payer=payer), headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 500
    assert value(await scraped(house), "opengiro_faults_total") == before + 1
    told = capfd.readouterr().out
    assert '"request_id": ' in told
    assert "in burst" in told
    assert [one for one in (*CANARIES, token) if one in told] == []


@pytest.mark.parametrize("path", ["/checkout/1-0123456789abcdef", "/abcdefghijk"])
async def test_a_bug_behind_a_page_is_logged_counted_and_shown_calmly(
    house: House,
    logged: httpx2.AsyncClient,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    async def burst(*_: object) -> None:
        raise LookupError("Zebulon")

    before = value(await scraped(house), "opengiro_faults_total", wire="pages")
    monkeypatch.setattr(house.core.store.engine, "fetch", burst)
    answer = await logged.get(path)
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert value(await scraped(house), "opengiro_faults_total", wire="pages") == before + 1
    line = msgspec.json.decode(capfd.readouterr().out.partition("\n")[0])
    assert (line["event"], line["request_id"]) == ("request failed", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (ValueError(f"invalid literal: '{PAYER_IBAN}'"), "ValueError"),
        (KeyError("Zebulon"), "KeyError"),
        (UnicodeDecodeError("ascii", b"Quokka", 0, 1, "no"), "UnicodeDecodeError"),
        (ExceptionGroup("Zebulon", [ValueError("Quokka"), LookupError(IBAN)]), "LookupError"),
        (OSError(28, "No space left on device", "/canary"), "OSError: No space left on device"),
    ],
)
async def test_a_traceback_tells_where_and_never_what_was_sent(
    logged: httpx2.AsyncClient, capfd: pytest.CaptureFixture[str], trouble: Exception, said: str
) -> None:
    def burst() -> None:
        try:
            int(PAYER_IBAN[:2])
        except ValueError:
            raise trouble from LookupError(CANARIES[0])

    try:
        burst()
    except type(trouble):
        structlog.get_logger("test").exception("request failed")
    told = capfd.readouterr().out
    assert said in told
    assert f"in {burst.__name__}" in told
    assert [one for one in CANARIES if one in told] == []


async def test_a_journey_is_counted(house: House, logged: httpx2.AsyncClient) -> None:
    before = await scraped(house)
    await _live_through(house, logged)

    async def tried() -> bool:
        return value(await scraped(house), "opengiro_delivery_seconds_count") > value(
            before, "opengiro_delivery_seconds_count"
        )

    assert await until(tried)
    after = await scraped(house)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("opengiro_moves_total", state="created") == 1
    assert more("opengiro_moves_total", state="rejected") == 1  # the bank knows no such account
    assert more("opengiro_bank_call_seconds_count", operation="initiate", outcome="refused") == 1
    assert more("opengiro_refusals_total", why="token_invalid") >= 1
    created = {"wire": "powens", "method": "POST", "route": "/2.0/payments"}
    assert more("opengiro_request_seconds_count", status="2xx", **created) == 1
    assert more("opengiro_request_seconds_count", status="4xx", **created) == 2
    assert more("opengiro_commit_seconds_count", outcome="saved") >= 2
    assert more("opengiro_commit_batch_size_count") >= 1
    assert value(after, "opengiro_database_up") == 1
    assert value(after, "opengiro_bank_health") > 1
    assert 'opengiro_build_info{engine="' in after
    assert 'method="BREW"' not in after


async def test_what_alerts_wait_for_is_there_before_the_first_time(house: House) -> None:
    page = await scraped(house)  # a counter that comes into being as 1 has never increased
    wires = [dialect.name for dialect in DIALECTS] + ["pages"]
    assert [wire for wire in wires if f'opengiro_faults_total{{wire="{wire}"}}' not in page] == []
    banks = [bank.bank_id for bank in house.core.store.banks.all()]
    assert [bank for bank in banks if f'opengiro_bank_unknown_statuses_total{{bank="{bank}"}}' not in page] == []
    initiated = 'opengiro_bank_call_seconds_count{{bank="{}",operation="initiate",outcome="unknown"}}'
    assert [bank for bank in banks if initiated.format(bank) not in page] == []


async def test_a_database_that_is_away_leaves_the_other_meters(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(type(house.core.store.deliveries), "backlog", away)
    page = await scraped(house)
    assert value(page, "opengiro_database_up") == 0
    assert "opengiro_request_seconds_bucket" in page
    monkeypatch.undo()
    await look(house.core)


async def test_what_is_due_is_counted_with_its_age(house: House) -> None:
    for_ever = 2**62
    assert await house.core.store.deliveries.backlog(for_ever) == (0, None)
    hook = {"url": DEAD, "event": "PAYMENT_STATE_UPDATED", "type": "PAYMENT_STATE_UPDATED"}
    await house.call("POST", "/webhooks", hook, token=house.credentials.config_token)
    payment = await house.pay()
    await house.validate(payment["id"])

    async def failed_once() -> bool:
        due, oldest_us = await house.core.store.deliveries.backlog(for_ever)
        return due > 0 and oldest_us is not None

    assert await until(failed_once)


async def test_the_public_port_has_no_metrics(house: House) -> None:
    assert (await house.http.get(f"{house.base_url}/metrics")).status_code == 404


async def test_a_request_is_a_span_with_its_commit_inside(
    house: House, logged: httpx2.AsyncClient, traced: InMemorySpanExporter
) -> None:
    token = await house.token()
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"authorization": f"Bearer {token}", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    traced.clear()
    await logged.post("/2.0/payments", json=order(), headers=headers)
    by_name = {span.name: span for span in traced.get_finished_spans()}
    request, commit = by_name["POST /2.0/payments"], by_name["commit"]
    assert f"{request.context.trace_id:032x}" == trace
    assert commit.parent
    assert commit.parent.span_id == request.context.span_id
    assert (request.attributes or {})["http.route"] == "/2.0/payments"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_the_environment_says_where_to(environment: dict[str, str]) -> None:
    assert not spans.begin(environment)
    assert not spans.tracing()
