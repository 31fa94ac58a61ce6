"""The connector at a bank that follows a script: what is sent, and what odd answers and faults lead to."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from opengiro.connectors import HttpLine
from opengiro.connectors.berlin_group import CONNECTOR
from opengiro.domain.banks import (
    AskFields,
    BankTrouble,
    Cancellation,
    Cancelled,
    Decoupled,
    Errand,
    Heard,
    Moved,
    Redirect,
)
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.payment import Reason
from tests.connectors.errands import TICKET, after, errand, order
from tests.connectors.scripted_bank import Act, ScriptedBank, hang_up, say

PRODUCT = "/psd2/v1/payments/instant-sepa-credit-transfers"
SCA = {"scaStatus": {"href": f"{PRODUCT}/p1/authorisations/a1"}}
REDIRECT = {"scaRedirect": {"href": "http://login.bank.example/1"}}
START = {"startAuthorisation": {"href": f"{PRODUCT}/p1/authorisations"}}
NAME = {"startAuthorisationWithPsuIdentification": {"href": f"{PRODUCT}/p1/authorisations"}}


def created(links: dict[str, Any], status: str = "RCVD", approach: str = "REDIRECT", **more: Any) -> Act:
    body = {"transactionStatus": status, "paymentId": "p1", "_links": links} | more
    return say(201, body, aspsp_sca_approach=approach)


def begun(links: dict[str, Any], sca: str = "received", approach: str = "REDIRECT", **more: Any) -> Act:
    body = {"scaStatus": sca, "authorisationId": "a1", "_links": links} | more
    return say(201, body, ASPSP_SCA_Approach=approach)


def status(word: str, **more: Any) -> Act:
    return say(200, {"transactionStatus": word} | more)


def sca(word: str) -> Act:
    return say(200, {"scaStatus": word})


class Counter:
    """The connector at the scripted bank."""

    def __init__(self, bank: ScriptedBank, line: HttpLine) -> None:
        self.bank = bank
        self.line = line

    async def start(self, *acts: Act, **changes: Any) -> tuple[Errand, Heard]:
        self.bank.will(*acts)
        attempt = errand(base_url=self.bank.url, **changes)
        heard = await CONNECTOR.initiate(self.line, attempt)
        return after(attempt, heard), heard

    async def trouble(self, *acts: Act, **changes: Any) -> BankTrouble:
        with pytest.raises(BankTrouble) as caught:
            await self.start(*acts, **changes)
        return caught.value

    async def ask(self, waiting: Errand, *acts: Act) -> Heard:
        self.bank.will(*acts)
        return await CONNECTOR.observe(self.line, waiting)

    async def cancel(self, *acts: Act) -> Cancellation:
        waiting, _ = await self.start(created(REDIRECT | SCA))
        self.bank.will(*acts)
        assert CONNECTOR.cancel
        return await CONNECTOR.cancel(self.line, waiting)

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.path.removeprefix(PRODUCT)}" for request in self.bank.received]


@pytest.fixture
async def counter(bank: ScriptedBank, line: HttpLine) -> AsyncIterator[Counter]:
    yield Counter(bank, line)
    assert not bank.script, "the script was not played to its end"


async def test_the_order_carries_the_standards_headers(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT), payer_agent="Móz\r\nilla/5.0 (X)")
    sent = counter.bank.received[0]
    assert (sent.method, sent.path) == ("POST", PRODUCT)
    back = f"https://pay.example/return/{TICKET}"
    named = ("content-type", "accept", "psu-user-agent", "psu-ip-address", "x-request-id")
    assert [sent.headers[name] for name in named] == [
        "application/json",
        "application/json",
        "Mzilla/5.0 (X)",
        "192.0.2.7",
        waiting.request_id,
    ]
    assert {name: text for name, text in sent.headers.items() if name.startswith("tpp-")} == {
        "tpp-redirect-preferred": "true",
        "tpp-redirect-uri": back,
        "tpp-nok-redirect-uri": back,
    }
    assert json.loads(sent.body)["instructedAmount"] == {"currency": "EUR", "amount": "50.90"}


async def test_a_bank_with_an_app_is_asked_for_it(counter: Counter) -> None:
    await counter.start(created({}, approach="DECOUPLED"), decoupled=True, profile={"nok_uri": "no"})
    headers = counter.bank.received[0].headers
    assert (headers["tpp-redirect-preferred"], headers["tpp-decoupled-preferred"]) == ("false", "true")
    assert "tpp-nok-redirect-uri" not in headers


async def test_questions_do_not_pretend_that_the_payer_asks(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    await counter.ask(waiting, status("RCVD"), sca("started"))
    for question in counter.bank.received[1:]:
        assert not [name for name in question.headers if name.startswith(("psu-", "tpp-"))]


async def test_every_request_has_an_id_of_its_own(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    await counter.ask(waiting, status("RCVD"), sca("started"))
    later = replace(waiting, now=waiting.now + timedelta(seconds=1))
    await counter.ask(later, status("RCVD"), sca("started"))
    ids = [uuid.UUID(request.headers["x-request-id"]) for request in counter.bank.received]
    assert len(set(ids)) == 5


async def test_links_written_as_bare_strings_are_followed(counter: Counter) -> None:
    bare = {"scaRedirect": "http://login.bank.example/1", "scaStatus": SCA["scaStatus"]["href"]}
    waiting, first = await counter.start(created(bare))
    assert first.action == Redirect("http://login.bank.example/1")
    assert (await counter.ask(waiting, status("RCVD"), sca("started"))).sca == "started"


async def test_an_authorisation_is_started_where_the_bank_wants_that(counter: Counter) -> None:
    waiting, first = await counter.start(created(START), begun(REDIRECT | SCA))
    assert (first.action, first.sca) == (Redirect("http://login.bank.example/1"), "received")
    assert (await counter.ask(waiting, status("RCVD"), sca("received"))).action == first.action
    assert counter.asked == ["POST ", "POST /p1/authorisations", "GET /p1/status", "GET /p1/authorisations/a1"]


async def test_an_authorisation_without_a_link_is_found_by_its_id(counter: Counter) -> None:
    waiting, _ = await counter.start(created(START), begun(REDIRECT))
    await counter.ask(waiting, status("RCVD"), sca("received"))
    assert counter.asked[-1] == "GET /p1/authorisations/a1"


async def test_links_that_leave_the_bank_are_not_followed(counter: Counter) -> None:
    away = {"startAuthorisation": "http://evil.example/", "scaStatus": "http://evil.example/sca"}
    waiting, _ = await counter.start(created(away), begun(REDIRECT | {"scaStatus": "http://evil.example/sca"}))
    await counter.ask(waiting, status("RCVD"), sca("received"))
    assert counter.asked == ["POST ", "POST /p1/authorisations", "GET /p1/status", "GET /p1/authorisations/a1"]


async def test_a_payment_id_cannot_leave_its_place_in_the_path(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA, paymentId="a/../b?c"))
    await counter.ask(waiting, status("ACSC"), sca("finalised"))
    assert counter.asked[1] == "GET /a%2F..%2Fb%3Fc/status"


async def test_the_payers_name_at_the_bank_is_asked_for_and_then_used(counter: Counter) -> None:
    assert CONNECTOR.answer
    waiting, first = await counter.start(created(NAME, approach="DECOUPLED"))
    assert isinstance(first.action, AskFields)
    assert len(counter.bank.received) == 1
    counter.bank.will(begun(SCA, approach="DECOUPLED", psuMessage="Open the app"))
    heard = await CONNECTOR.answer(counter.line, waiting, {first.action.fields[0].name: " pat.payer "})
    assert heard.action == Decoupled("Open the app")
    assert counter.bank.received[1].headers["psu-id"] == "pat.payer"


@pytest.mark.parametrize("name", ["", "pat\r\npayer", "p" * 141, "pät"])
async def test_a_name_that_fits_no_header_is_asked_for_again(counter: Counter, name: str) -> None:
    assert CONNECTOR.answer
    waiting, first = await counter.start(created(NAME, approach="DECOUPLED"))
    heard = await CONNECTOR.answer(counter.line, waiting, {"psu_id": name})
    assert heard.action == first.action
    assert len(counter.bank.received) == 1


async def test_a_payment_exempt_from_approval_is_heard_at_once(counter: Counter) -> None:
    _, first = await counter.start(created({}, status="ACSP", scaStatus="exempted"))
    assert (first.trigger, first.action) == (Trigger.BANK_ACCEPTED, None)


async def test_a_payment_refused_on_arrival_is_rejected(counter: Counter) -> None:
    message = {"category": "ERROR", "code": "PAYMENT_FAILED", "text": "AM02"}
    _, first = await counter.start(created({}, status="RJCT", tppMessages=[message], psuMessage="Too much"))
    assert (first.trigger, first.reason, first.message) == (
        Trigger.BANK_REJECTED,
        Reason.INVALID_AMOUNT,
        "Too much",
    )


@pytest.mark.parametrize("word", ["ACTC", "ACCP", "ACSP", "ACTV"])
async def test_a_payment_the_payer_has_yet_to_approve_is_not_accepted(counter: Counter, word: str) -> None:
    waiting, first = await counter.start(created(REDIRECT | SCA, status=word))
    assert (first.said, first.trigger) == (word, None)
    heard = await counter.ask(waiting, status(word), sca("started"))
    assert (heard.said, heard.trigger, heard.action) == (word, None, first.action)


async def test_an_unlisted_status_is_kept_as_it_was_said(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    heard = await counter.ask(waiting, status("ACTV"), sca("finalised"))
    assert (heard.said, heard.trigger, heard.known) == ("ACTV", None, False)


async def test_an_approved_payment_leaves_the_payer_nothing_to_do(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    heard = await counter.ask(waiting, status("RCVD"), sca("finalised"))
    assert (heard.trigger, heard.action) == (None, None)


async def test_a_bank_silent_on_the_approval_is_believed_only_once_it_executes(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT))
    heard = await counter.ask(waiting, status("ACTC"), say(404))
    assert (heard.sca, heard.trigger, heard.action) == (None, None, Redirect("http://login.bank.example/1"))
    assert (await counter.ask(waiting, status("ACSP"), say(405))).trigger is Trigger.BANK_ACCEPTED


async def test_an_authorisation_the_bank_did_not_link_is_looked_up(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT))
    listed = say(200, {"authorisationIds": ["a0", "a1"]})
    heard = await counter.ask(waiting, status("ACTC"), listed, sca("finalised"))
    assert heard.trigger is Trigger.BANK_ACCEPTED
    assert counter.asked[-2:] == ["GET /p1/authorisations", "GET /p1/authorisations/a1"]


@pytest.mark.parametrize("fault", [hang_up, say(500), say(503), say(429)])
async def test_an_approval_that_cannot_be_asked_now_is_asked_again_later(counter: Counter, fault: Act) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    with pytest.raises(BankTrouble) as caught:
        await counter.ask(waiting, status("ACTC"), fault)
    assert (caught.value.money, caught.value.permanent) == (Moved.UNKNOWN, False)


@pytest.mark.parametrize(("word", "trigger"), [("ACSC", Trigger.BANK_SETTLED), ("RJCT", Trigger.BANK_REJECTED)])
async def test_an_end_is_heard_even_if_the_approval_cannot_be_asked(
    counter: Counter, word: str, trigger: Trigger
) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    assert (await counter.ask(waiting, status(word), hang_up)).trigger is trigger


async def test_a_bank_that_wants_to_be_asked_later_is(counter: Counter) -> None:
    waiting, _ = await counter.start(created(REDIRECT | SCA))
    with pytest.raises(BankTrouble) as caught:
        await counter.ask(waiting, say(429, Retry_After="90"))
    assert caught.value.retry_after == timedelta(seconds=90)
    slow = say(200, {"transactionStatus": "RCVD"}, Retry_After="60")
    assert (await counter.ask(waiting, slow, sca("started"))).ask_in == timedelta(seconds=60)


async def test_a_payment_the_bank_never_named_cannot_be_asked_about(line: HttpLine) -> None:
    with pytest.raises(BankTrouble) as caught:
        await CONNECTOR.observe(line, errand(base_url="http://127.0.0.1:1"))
    assert (caught.value.money, caught.value.permanent) == (Moved.UNKNOWN, True)


async def test_a_payment_taken_without_a_name_is_unknown(counter: Counter) -> None:
    told = await counter.trouble(say(201, {"transactionStatus": "RCVD", "_links": REDIRECT}))
    assert told.money is Moved.UNKNOWN


@pytest.mark.parametrize("fault", [hang_up, say(500)])
async def test_without_its_link_a_redirected_payment_cannot_move_money(counter: Counter, fault: Act) -> None:
    assert (await counter.trouble(created(START), fault)).money is Moved.REFUSED


@pytest.mark.parametrize("fault", [hang_up, say(500)])
async def test_a_phone_may_have_rung_although_the_answer_got_lost(counter: Counter, fault: Act) -> None:
    waiting, first = await counter.start(created(START, approach="DECOUPLED"), fault)
    assert (first.trigger, first.action, first.bank_payment_id) == (None, None, "p1")
    listed = say(200, {"authorisationIds": ["a1"]})
    heard = await counter.ask(waiting, status("ACSP"), listed, sca("finalised"))
    assert heard.trigger is Trigger.BANK_ACCEPTED


async def test_an_authorisation_refused_is_a_payment_refused(counter: Counter) -> None:
    refused = say(400, {"tppMessages": [{"category": "ERROR", "code": "SCA_METHOD_UNKNOWN"}]})
    told = await counter.trouble(created(START), refused)
    assert (told.money, told.reason) == (Moved.REFUSED, Reason.AUTHENTICATION_FAILED)


async def test_an_authorisation_started_twice_is_not_supported(counter: Counter) -> None:
    assert (await counter.trouble(created(START), begun(START))).money is Moved.REFUSED


async def test_several_orders_in_one_payment_are_not_sent(counter: Counter) -> None:
    with pytest.raises(BankTrouble) as caught:
        await CONNECTOR.initiate(counter.line, errand(order(), order(), base_url=counter.bank.url))
    assert caught.value.money is Moved.NOT_SENT
    assert counter.bank.received == []


async def test_the_banks_page_lives_as_long_as_its_profile_says(counter: Counter) -> None:
    _, first = await counter.start(created(REDIRECT), profile={"link_minutes": "5"})
    assert first.link_expires_in == timedelta(minutes=5)


CANCEL = {"startAuthorisation": {"href": f"{PRODUCT}/p1/cancellation-authorisations"}}


def accepted(links: dict[str, Any], word: str = "ACTC") -> Act:
    return say(202, {"transactionStatus": word, "_links": links})


@pytest.mark.parametrize(
    ("acts", "outcome", "url"),
    [
        ([say(204)], Cancelled.AT_ONCE, None),
        ([accepted({}, "CANC")], Cancelled.AT_ONCE, None),
        ([say(200)], Cancelled.REFUSED, None),
        ([say(405)], Cancelled.REFUSED, None),
        ([say(404)], Cancelled.REFUSED, None),
        ([accepted(CANCEL), begun(REDIRECT)], Cancelled.PAYER_MUST_APPROVE, "http://login.bank.example/1"),
        ([accepted(REDIRECT)], Cancelled.PAYER_MUST_APPROVE, "http://login.bank.example/1"),
        ([accepted(CANCEL), begun({}, approach="DECOUPLED")], Cancelled.PAYER_MUST_APPROVE, None),
        ([accepted(CANCEL), begun({"scaOAuth": "http://bank.example/"})], Cancelled.REFUSED, None),
        ([accepted(CANCEL), say(409)], Cancelled.REFUSED, None),
    ],
)
async def test_a_cancellation_is_what_the_bank_says(
    counter: Counter, acts: list[Act], outcome: Cancelled, url: str | None
) -> None:
    answer = await counter.cancel(*acts)
    assert (answer.outcome, answer.url) == (outcome, url)


@pytest.mark.parametrize("acts", [[hang_up], [say(500)], [say(503)], [accepted(CANCEL), hang_up]])
async def test_a_cancellation_without_an_answer_is_trouble(counter: Counter, acts: list[Act]) -> None:
    with pytest.raises(BankTrouble):
        await counter.cancel(*acts)


@pytest.mark.parametrize(
    ("recorded", "kept"),
    [
        ('{"iban": "FR7630006000011234567890189"}', '{"iban": "FR***"}'),
        ("to DE89 3704 0044 0532 0130 00.", "to DE***."),
        ("TPP-Redirect-URI: https://pay.example/return/abc_-1", "TPP-Redirect-URI: https://pay.example/return/***"),
        ('{"PSU-ID": "pat", "Accept": "x"}', '{"PSU-ID": "***", "Accept": "x"}'),
        ("authorization: Bearer abc\nnext", "authorization: ***\nnext"),
        ("RCVD 50.90 EUR ORDER-1001", "RCVD 50.90 EUR ORDER-1001"),
    ],
)
def test_what_is_recorded_names_and_proves_nobody(recorded: str, kept: str) -> None:
    assert CONNECTOR.scrub(recorded) == kept
