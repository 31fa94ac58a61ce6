"""Stories of events on their way: a real database, real endpoints, and whatever can go wrong between."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opengiro.domain.clock import EPOCH
from opengiro.domain.deliveries import Failure, Outcome, Stage, Webhook
from opengiro.domain.lifecycle import Trigger
from opengiro.domain.retry import ATTEMPTS_MAX, STEPS
from opengiro.domain.signing import powens_signature, standard_signature
from opengiro.store import Conflict
from opengiro.usecases.create_webhook_auth import rotate_webhook_secret
from opengiro.usecases.deliver_event import Event, claim_deliveries, deliver_event
from opengiro.usecases.replay_delivery import replay_delivery
from opengiro.workers import deliver
from tests import engines
from tests.workers.house import IBAN, SHOP, House, house, render
from tests.workers.sink import Behave, Request, Sink, answer, hang, sink

STORY = (Trigger.PAYER_CHOSE_BANK, Trigger.BANK_ACCEPTED, Trigger.BANK_SETTLED)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as found:
        yield found


def bodies(found: Sink) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in found.requests]


def in_turn(*behaviours: Behave) -> Behave:
    """Behave each way once, and then for ever in the last."""
    turns = itertools.chain(behaviours, itertools.repeat(behaviours[-1]))

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await next(turns)(request, writer)

    return behave


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that has to happen; a hang fails the test instead of blocking it."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # what is waited for happens at an endpoint, not here
            await asyncio.sleep(0.005)


async def all_delivered(home: House, webhook: Webhook, count: int) -> None:
    """Wait until it is saved that an endpoint accepted so many."""
    async with asyncio.timeout(20):
        while len(await home.deliveries(webhook, Stage.DELIVERED)) < count:  # noqa: ASYNC110  # saving rings no bell
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(home: House) -> AsyncIterator[deliver.Deliverer]:
    worker = home.worker()
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_move_reaches_the_endpoint_signed_for_both_kinds_of_receiver(home: House) -> None:
    async with sink() as shop:
        auth = await home.auth()
        await home.webhook(shop.url + "?shop=1", auth)
        payment = await home.moved_payment()
        await home.deliver()
    (request,) = shop.requests
    assert request.line == "POST /hook?shop=1 HTTP/1.1"
    assert json.loads(request.body) | {"id_webhook_data": 0} == {
        "id": payment.payment_id, "state": "validating", "sequence": 1, "id_webhook_data": 0,
    }  # fmt: skip
    secret, headers = auth.secrets[0].text, request.headers
    date, timestamp = headers["bi-signature-date"], int(headers["webhook-timestamp"])
    assert headers["bi-signature"] == powens_signature(secret, "POST", "/hook", date, request.body)
    assert headers["webhook-signature"] == standard_signature(secret, headers["webhook-id"], timestamp, request.body)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("OpenGiro/")
    assert headers["accept"] == "*/*"


async def test_signatures_are_dated_by_real_time_however_far_a_tester_moved_the_clock(home: House) -> None:
    async with sink() as shop:
        await home.webhook(shop.url)
        await home.later(timedelta(days=400))
        await home.moved_payment()
        await home.deliver()
    now = home.core.clock.real().timestamp()
    assert abs(now - int(shop.requests[0].headers["webhook-timestamp"])) < 300


async def test_every_move_arrives_in_order_with_a_sequence_without_gaps(home: House) -> None:
    async with sink() as shop:
        await home.webhook(shop.url)
        payments = [await home.payment() for _ in range(5)]
        for trigger in STORY:
            payments = [await home.move(payment, trigger) for payment in payments]
        await home.deliver()
    for payment in payments:
        heard = [body for body in bodies(shop) if body["id"] == payment.payment_id]
        assert [(body["sequence"], body["state"]) for body in heard] == [
            (1, "validating"), (2, "pending"), (3, "done"),
        ]  # fmt: skip
    assert len({body["id_webhook_data"] for body in bodies(shop)}) == 15


async def test_a_move_that_was_not_saved_is_never_delivered(home: House) -> None:
    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        payment = await home.payment()
        await home.move(payment, Trigger.PAYER_CHOSE_BANK)
        with pytest.raises(Conflict):
            await home.move(payment, Trigger.CLIENT_CANCELLED)
        await home.deliver()
    assert [body["state"] for body in bodies(shop)] == ["validating"]
    assert len(await home.deliveries(webhook)) == 1


async def test_a_retry_sends_the_same_bytes_and_id_under_a_fresh_date(home: House) -> None:
    async with sink(in_turn(answer(500), answer(200))) as shop:
        webhook = await home.webhook(shop.url, await home.auth())
        payment = await home.moved_payment()
        await home.deliver()
        await home.move(payment, Trigger.BANK_ACCEPTED)
        await home.later(STEPS[0] * 1.5)
        await home.deliver()
    first, second, _ = shop.requests
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["bi-signature-date"] != second.headers["bi-signature-date"]
    assert [one.attempts for one in await home.deliveries(webhook, Stage.DELIVERED)] == [2, 1]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
async def test_anything_but_2xx_is_tried_again_later_and_not_before(home: House, status: int) -> None:
    async with sink(in_turn(answer(status), answer(200))) as shop:
        await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        assert len(shop.requests) == 1
        await home.later(STEPS[0] * 1.5)
        await home.deliver()
    assert len(shop.requests) == 2


async def test_an_endpoint_that_asks_to_wait_is_left_in_peace_that_long(home: House) -> None:
    async with sink(in_turn(answer(429, Retry_After="500"), answer(200))) as shop:
        await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        await home.moved_payment()
        await home.later(timedelta(seconds=499))
        await home.deliver()
        assert len(shop.requests) == 1
        await home.later(timedelta(seconds=60))
        await home.deliver()
    assert len(shop.requests) == 3


async def test_a_later_event_waits_for_the_one_before_it_and_other_payments_do_not(home: House) -> None:
    stuck: set[int] = set()

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        refuse = json.loads(request.body)["id"] in stuck
        await answer(500 if refuse else 200)(request, writer)

    async with sink(behave) as shop:
        await home.webhook(shop.url)
        slow, quick = await home.payment(), await home.payment()
        stuck.add(slow.payment_id)
        for trigger in STORY:
            slow, quick = await home.move(slow, trigger), await home.move(quick, trigger)
            await home.deliver()
        heard = [(body["id"] == quick.payment_id, body["sequence"]) for body in bodies(shop)]
        assert sorted(heard) == [(False, 1), (True, 1), (True, 2), (True, 3)]
        stuck.clear()
        await home.later(STEPS[0] * 1.5)
        await home.deliver()
    assert [body["sequence"] for body in bodies(shop) if body["id"] == slow.payment_id] == [1, 1, 2, 3]


async def test_a_later_event_is_not_sent_while_the_one_before_it_is_on_its_way(home: House) -> None:
    go_on = asyncio.Event()

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        if json.loads(request.body)["sequence"] == 1:
            await go_on.wait()
        await answer(200)(request, writer)

    async with sink(behave) as shop:
        webhook = await home.webhook(shop.url)
        payment = await home.payment()
        for trigger in STORY:
            payment = await home.move(payment, trigger)
        async with running(home) as worker:
            await until(lambda: bool(shop.requests))
            for _ in range(5):
                await worker.turn()
            stages = [one.stage for one in await home.deliveries(webhook)]
            assert stages == [Stage.SENDING, Stage.WAITING, Stage.WAITING]
            go_on.set()
            await until(lambda: len(shop.requests) == 3)
    assert [body["sequence"] for body in bodies(shop)] == [1, 2, 3]


async def test_later_events_wait_as_long_as_the_one_that_failed_and_no_longer(home: House) -> None:
    async with sink(in_turn(answer(500), answer(500), answer(200))) as shop:
        webhook = await home.webhook(shop.url)
        payment = await home.moved_payment()
        await home.deliver()
        await home.later(STEPS[0] * 1.5)
        payment = await home.move(payment, Trigger.BANK_ACCEPTED)
        await home.deliver()
        await home.move(payment, Trigger.BANK_SETTLED)
        first, second, third = await home.deliveries(webhook)
        assert first.due_at == second.due_at == third.due_at > home.core.now(SHOP.merchant_id)
        assert first.data_id is not None
        await replay_delivery(home.core, SHOP.merchant_id, webhook.webhook_id, first.data_id)
        await home.deliver()
    assert [body["sequence"] for body in bodies(shop)] == [1, 1, 1, 2, 3]


async def test_after_ten_attempts_a_delivery_is_parked_and_the_next_event_goes_on(home: House) -> None:
    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await answer(500 if json.loads(request.body)["sequence"] == 1 else 200)(request, writer)

    async with sink(behave) as shop:
        webhook = await home.webhook(shop.url)
        payment = await home.moved_payment()
        await home.deliver()
        await home.move(payment, Trigger.BANK_ACCEPTED)
        for step in STEPS:
            await home.later(step * 1.5)
            await home.deliver()
        # Ten failures in a row also paused the endpoint for a moment.
        await home.later(timedelta(minutes=1))
        await home.deliver()
    (parked,) = await home.deliveries(webhook, Stage.PARKED)
    # Taking the next event brought the parked one its single extra attempt.
    assert parked.attempts == ATTEMPTS_MAX + 1
    assert [body["sequence"] for body in bodies(shop)] == [1] * ATTEMPTS_MAX + [2, 1]


async def test_a_parked_delivery_is_sent_again_when_its_endpoint_next_accepts(home: House) -> None:
    async with sink(answer(500)) as shop:
        webhook = await home.webhook(shop.url)
        first = await home.moved_payment()
        await home.deliver()
        for step in STEPS:
            await home.later(step * 1.5)
            await home.deliver()
        assert len(await home.deliveries(webhook, Stage.PARKED)) == 1
        shop.behave = answer(200)
        await home.later(timedelta(hours=1))
        await home.moved_payment()
        await home.deliver()
    assert bodies(shop)[-1]["id"] == first.payment_id
    assert {one.stage for one in await home.deliveries(webhook)} == {Stage.DELIVERED}


async def test_an_endpoint_that_is_gone_is_disabled_until_it_is_registered_again(home: House) -> None:
    async with sink(in_turn(answer(410), answer(200))) as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        assert (await home.fresh(webhook)).disabled_at is not None
        await home.moved_payment()
        await home.later(timedelta(days=10))
        await home.deliver()
        assert len(shop.requests) == 1
        again = await home.webhook(shop.url)
        assert (again.webhook_id, again.disabled_at) == (webhook.webhook_id, None)
        last = await home.moved_payment()
        await home.deliver()
    # The event it refused comes along again; the one from while it was gone was never meant for it.
    refused = bodies(shop)[0]["id"]
    assert [body["id"] for body in bodies(shop)[1:]] == [last.payment_id, refused]


async def test_endpoints_that_hang_delay_no_other(tmp_path: Path) -> None:
    async with house(tmp_path, deadline_s=300) as home, contextlib.AsyncExitStack() as stack:
        dead = [await stack.enter_async_context(sink(hang)) for _ in range(10)]
        alive = [await stack.enter_async_context(sink()) for _ in range(10)]
        webhooks = [await home.webhook(one.url) for one in dead]
        for one in alive:
            await home.webhook(one.url)
        async with running(home):
            for _ in range(20):
                payment = await home.payment()
                for trigger in STORY:
                    payment = await home.move(payment, trigger)
            await until(lambda: all(len(one.requests) == 60 for one in alive))
            # Everything arrived while not one attempt at a dead endpoint had come to an end.
            assert [await home.log(webhook) for webhook in webhooks] == [[]] * 10
            assert all(one.connections <= 4 for one in dead)


async def test_an_endpoint_has_at_most_four_deliveries_on_their_way(home: House) -> None:
    now, most = 0, 0
    full = asyncio.Event()

    async def count(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if most == 4:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        now -= 1
        await answer(200)(request, writer)

    async with sink(count) as shop:
        await home.webhook(shop.url)
        for _ in range(20):
            await home.moved_payment()
        async with running(home):
            await until(lambda: len(shop.requests) == 20)
    assert most == 4


async def test_two_timeouts_pause_an_endpoint_and_one_probe_finds_it_back(tmp_path: Path) -> None:
    async with house(tmp_path, deadline_s=0.1) as home, sink(hang) as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        await home.later(STEPS[0] * 1.5)
        await home.deliver()
        assert (await home.fresh(webhook)).streak.broken
        for _ in range(8):
            await home.moved_payment()
        await home.deliver()
        assert len(shop.requests) == 2
        await home.later(timedelta(seconds=40))
        await home.deliver()
        assert len(shop.requests) == 3
        shop.behave = answer(200)
        await home.later(timedelta(minutes=3))
        await home.deliver()
        assert not (await home.fresh(webhook)).streak.broken
        assert {one.stage for one in await home.deliveries(webhook)} == {Stage.DELIVERED}


async def test_waiting_for_an_endpoint_to_come_back_uses_up_no_attempts(tmp_path: Path) -> None:
    async with house(tmp_path) as home, sink(answer(500)) as shop:
        webhook = await home.webhook(shop.url)
        for _ in range(30):
            await home.moved_payment()
        for _ in range(20):
            await home.later(timedelta(minutes=20))
            await home.deliver()
        assert await home.deliveries(webhook, Stage.PARKED) == []
        assert len(await home.deliveries(webhook, Stage.WAITING)) == 30
        shop.behave = answer(200)
        await home.later(timedelta(minutes=20))
        await home.deliver()
        assert len(await home.deliveries(webhook, Stage.DELIVERED)) == 30


async def test_an_attempt_whose_worker_died_is_made_by_another_with_the_same_id(tmp_path: Path) -> None:
    async with house(tmp_path) as home, sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        (claim,) = await claim_deliveries(home.core, lambda _: 4)

        async def die(url: str, headers: Mapping[str, str], body: bytes, until: datetime) -> Outcome:
            await home.post.send(url, headers, body, until)
            raise ConnectionAbortedError

        with pytest.raises(ConnectionAbortedError):
            await deliver_event(home.core, claim, render, die)
        await home.deliver()
        assert len(shop.requests) == 1
        # Leases follow real time, so this one is ended by hand instead of moving the merchant's clock.
        await home.core.store.deliveries.free_lapsed(2**62)
        await home.deliver()
        first, second = shop.requests
        assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
        assert len(await home.deliveries(webhook, Stage.DELIVERED)) == 1


async def test_who_froze_until_the_claim_had_ended_sends_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as home, sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        (claim,) = await claim_deliveries(home.core, lambda _: 4)
        assert await deliver_event(home.core, replace(claim, until=EPOCH), render, home.post.send) is None
        assert (shop.requests, await home.log(webhook)) == ([], [])
        await home.core.store.deliveries.free_lapsed(2**62)
        await home.deliver()
        assert len(shop.requests) == 1


async def test_who_was_claimed_over_can_no_longer_say_how_it_ended(tmp_path: Path) -> None:
    async with house(tmp_path) as home, sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        (stale,) = await claim_deliveries(home.core, lambda _: 4)
        await home.core.store.deliveries.free_lapsed(2**62)
        (held,) = await claim_deliveries(home.core, lambda _: 4)

        async def fail(url: str, headers: Mapping[str, str], body: bytes, until: datetime) -> Outcome:
            return Outcome(failure=Failure.BROKEN)

        assert await deliver_event(home.core, stale, render, fail) is None
        assert await home.log(webhook) == []
        outcome = await deliver_event(home.core, held, render, home.post.send)
        assert outcome is not None
        assert outcome.accepted
        assert len(await home.deliveries(webhook, Stage.DELIVERED)) == 1


async def test_stopping_gives_back_what_is_in_flight_and_a_restart_delivers_it(tmp_path: Path) -> None:
    async with sink(hang) as shop:
        async with house(tmp_path, deadline_s=300) as home:
            await home.webhook(shop.url)
            await home.moved_payment()
            async with running(home):
                await until(lambda: len(shop.requests) == 1)
        shop.behave = answer(200)
        async with house(tmp_path) as home:
            await home.deliver()
    first, second = shop.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


async def test_a_worker_that_stops_hears_the_answer_to_what_has_left(home: House) -> None:
    stopping = asyncio.Event()

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await stopping.wait()
        await answer(200)(request, writer)

    async with sink(behave) as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        worker = asyncio.create_task(home.worker().run())
        await until(lambda: len(shop.requests) == 1)
        worker.cancel()
        await asyncio.sleep(0)
        stopping.set()
        await asyncio.gather(worker, return_exceptions=True)
        await home.deliver()
    assert len(shop.requests) == 1
    assert len(await home.deliveries(webhook, Stage.DELIVERED)) == 1


async def test_two_workers_never_make_the_same_attempt(home: House) -> None:
    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        for _ in range(40):
            await home.moved_payment()
        async with running(home), running(home):
            # One that stops before it saved an answer gives the attempt back, and the other makes it again.
            await all_delivered(home, webhook, 40)
    assert len({body["id_webhook_data"] for body in bodies(shop)}) == len(shop.requests) == 40


async def test_a_poisoned_event_is_parked_in_the_end_and_stops_no_other(home: House) -> None:
    poisoned: set[int] = set()

    def brittle(event: Event) -> bytes:
        if event.payment.payment_id in poisoned:
            raise KeyError("no word for this")
        return render(event)

    home.renders["plain"] = brittle
    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        payment = await home.moved_payment()
        poisoned.add(payment.payment_id)
        healthy = await home.moved_payment()
        await home.deliver()
        assert [body["id"] for body in bodies(shop)] == [healthy.payment_id]
        for step in STEPS:
            await home.later(step * 1.5)
            await home.deliver()
        assert (await home.fresh(webhook)).streak.failures == 0
    (parked,) = await home.deliveries(webhook, Stage.PARKED)
    assert parked.payment_id == payment.payment_id


async def test_the_log_keeps_request_and_answer_and_no_cookie(home: House) -> None:
    behave = in_turn(answer(503, b"busy", Set_Cookie="session=1", X_Trace="abc"), answer(200, b"ok"))
    async with sink(behave) as shop:
        webhook = await home.webhook(shop.url, await home.auth())
        await home.moved_payment()
        await home.deliver()
        await home.later(STEPS[0] * 1.5)
        await home.deliver()
    (delivery, first), (_, second) = await home.log(webhook)
    assert delivery.body == shop.requests[0].body
    assert dict(first.request_headers)["BI-Signature"] == shop.requests[0].headers["bi-signature"]
    assert (first.attempt, first.outcome.status, first.outcome.body) == (1, 503, b"busy")
    heard = dict(first.outcome.headers)
    assert (heard["x-trace"], heard["set-cookie"]) == ("abc", "***")
    assert (second.attempt, second.outcome.status, second.outcome.body) == (2, 200, b"ok")


async def test_no_secret_and_no_body_lies_readable_in_the_database(tmp_path: Path) -> None:
    async with house(tmp_path) as home, sink(answer(200, b"the answer")) as shop:
        auth = await home.auth()
        home.renders["plain"] = lambda event: (
            b'{"iban": "' + event.payment.instructions[0].payee.identification.encode() + b'"}'
        )
        await home.webhook(shop.url, auth)
        await home.moved_payment()
        await home.deliver()
    assert IBAN.encode() in shop.requests[0].body
    kept = engines.stolen(tmp_path)
    assert shop.url.encode() in kept
    for secret in (auth.secrets[0].text.encode(), IBAN.encode(), b"the answer"):
        assert secret not in kept


@pytest.mark.parametrize(("systematic", "heard"), [("1", [1, 2]), ("0", [2])])
async def test_a_merchant_may_want_only_what_was_found_in_the_background(
    home: House, systematic: str, heard: list[int]
) -> None:
    await home.setting("payment.state_updated_webhook.systematic", systematic)
    async with sink() as shop:
        await home.webhook(shop.url)
        payment = await home.moved_payment()
        await home.move(payment, Trigger.BANK_ACCEPTED, background=True)
        await home.deliver()
    assert [body["sequence"] for body in bodies(shop)] == heard


async def test_a_compressed_body_is_signed_as_it_was_before(home: House) -> None:
    await home.setting("webhooks.compression.enabled", "1")
    async with sink() as shop:
        auth = await home.auth()
        await home.webhook(shop.url, auth)
        await home.moved_payment()
        await home.deliver()
    (request,) = shop.requests
    plain, date = gzip.decompress(request.body), request.headers["bi-signature-date"]
    assert request.headers["content-encoding"] == "gzip"
    assert json.loads(plain)["state"] == "validating"
    assert request.headers["bi-signature"] == powens_signature(auth.secrets[0].text, "POST", "/hook", date, plain)


async def test_for_a_day_after_a_rotation_both_secrets_sign_and_then_only_the_new_one(home: House) -> None:
    async with sink() as shop:
        old = await home.auth()
        await home.webhook(shop.url, old)
        rotated = await rotate_webhook_secret(home.core, SHOP.merchant_id, old.auth_id, "test")
        await home.moved_payment()
        await home.deliver()
        await home.later(timedelta(hours=25))
        await home.moved_payment()
        await home.deliver()
    both, new_only = (request.headers for request in shop.requests)
    secrets = [rotated.secrets[0].text, old.secrets[0].text]
    for headers, valid in ((both, secrets), (new_only, secrets[:1])):
        body = shop.requests[0 if headers is both else 1].body
        expected = [
            standard_signature(one, headers["webhook-id"], int(headers["webhook-timestamp"]), body) for one in valid
        ]
        assert headers["webhook-signature"].split(" ") == expected


async def test_a_saved_move_wakes_the_worker(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "POLL_S", 3600)
    async with sink() as shop:
        await home.webhook(shop.url)
        async with running(home):
            payment = await home.payment()
            for number, trigger in enumerate(STORY, start=1):
                payment = await home.move(payment, trigger)
                await until(lambda count=number: len(shop.requests) == count)  # type: ignore[misc]


async def test_a_worker_finds_by_itself_what_nobody_told_it(home: House) -> None:
    async with sink() as shop:
        await home.webhook(shop.url)
        async with running(home):
            await home.moved_payment()
            home.core.bell.moved.clear()
            await until(lambda: len(shop.requests) == 1)


async def test_a_database_that_fails_for_a_moment_does_not_end_deliveries(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True])
    fetch = home.core.store.engine.fetch

    async def fragile(name: str, *params: Any) -> list[tuple[Any, ...]]:
        if name == "load_due_webhooks" and next(failures, False):
            raise OSError("disk on holiday")
        return await fetch(name, *params)

    monkeypatch.setattr(home.core.store.engine, "fetch", fragile)
    async with sink() as shop:
        await home.webhook(shop.url)
        await home.moved_payment()
        async with running(home):
            await until(lambda: len(shop.requests) == 1)


async def test_settled_deliveries_can_be_listed_for_thirty_days(home: House) -> None:
    async def count(webhook: Webhook) -> tuple[int, int]:
        return len(await home.deliveries(webhook)), len(await home.log(webhook))

    async with sink() as shop:
        webhook = await home.webhook(shop.url)
        await home.moved_payment()
        await home.deliver()
        await home.later(timedelta(days=29))
        await home.deliver()
        assert await count(webhook) == (1, 1)
        await home.later(timedelta(days=2))
        await home.deliver()
        assert await count(webhook) == (0, 0)
