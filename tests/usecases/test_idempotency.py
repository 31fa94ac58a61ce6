"""Idempotency keys: one key, one effect, one answer."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Unavailable
from opengiro.store.answers import Answer, Claim, Receipt
from opengiro.usecases.create_payment import create_payment
from opengiro.usecases.recall_answer import claim_answer, forget_answers, keep_answer
from tests.usecases.world import CLIENT, World, new_payment

CREATE = "POST /2.0/payments"


def receipt(body: bytes = b"{}", key: str = "k-1", route: str = CREATE, client: str = CLIENT) -> Receipt:
    return Receipt(1, client, route, key, hashlib.sha256(body).digest())


def shown(payment: Payment) -> Answer:
    return Answer(200, f'{{"id": {payment.payment_id},  "spaced":"just so"}}'.encode())


async def create(world: World, under: Receipt, *, above: int = 0) -> Answer:
    return await create_payment(world.core, new_payment(minor=5090 + above), shown, under)


async def claim(world: World, under: Receipt) -> Claim:
    found = await claim_answer(world.core, under)
    assert isinstance(found, Claim)
    return found


async def payments(world: World) -> int:
    return (await world.core.store.payments.page(1, (), (), "p.payment_id", 100, 0))[1]


async def why(call: object) -> Refusal:
    with pytest.raises(Refused) as refused:
        await call  # type: ignore[misc]
    return refused.value.why


async def test_the_same_call_gets_the_same_bytes_and_makes_one_payment(world: World) -> None:
    answers = [await create(world, receipt()) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert await payments(world) == 1


async def test_fifty_calls_at_once_make_one_payment_and_get_one_answer(world: World) -> None:
    answers = await asyncio.gather(*(create(world, receipt()) for _ in range(50)))
    assert len(set(answers)) == 1
    assert await payments(world) == 1


async def test_an_answer_is_given_again_only_when_it_cannot_be_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await create(world, receipt())

    async def away(_: object) -> None:
        raise Unavailable("the disk did not take what was written")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.core.store.engine), "secure", away)
        with pytest.raises(Unavailable):
            await create(world, receipt())
        with pytest.raises(Unavailable):
            await claim_answer(world.core, receipt())
    assert await create(world, receipt()) == answer


async def test_another_body_is_refused_and_has_no_effect(world: World) -> None:
    await create(world, receipt())
    assert await why(create(world, receipt(b'{"other":1}'), above=1)) is Refusal.IDEMPOTENCY_KEY_REUSED
    assert await payments(world) == 1


@pytest.mark.parametrize(
    "other", [receipt(key="k-2"), receipt(route="POST /2.0/payments/7"), receipt(client="1000002")]
)
async def test_a_key_is_its_applications_and_its_routes_own(world: World, other: Receipt) -> None:
    first = await create(world, receipt())
    assert await create(world, other) != first
    assert await payments(world) == 2


async def test_a_key_of_another_merchant_is_another_key(world: World) -> None:
    await keep_answer(world.core, await claim(world, receipt()), Answer(200, b"ours"))
    assert await world.core.store.answers.load(replace(receipt(), merchant_id=2)) is None


async def test_a_refusal_keeps_nothing_so_the_mended_call_may_use_the_key(world: World) -> None:
    await world.set(max_amount="10.00")
    assert await why(create(world, receipt())) is Refusal.AMOUNT_ABOVE_MAXIMUM
    await world.set(max_amount="0")
    assert (await create(world, receipt(b'{"mended":1}'))).status == 200


async def test_a_claimed_key_is_in_flight_until_its_call_ends(world: World) -> None:
    mine = await claim(world, receipt())
    assert await why(claim_answer(world.core, receipt())) is Refusal.IDEMPOTENCY_KEY_IN_FLIGHT
    assert await why(claim_answer(world.core, receipt(b"other"))) is Refusal.IDEMPOTENCY_KEY_REUSED
    await keep_answer(world.core, mine, Answer(200, b"done"))
    assert await claim_answer(world.core, receipt()) == Answer(200, b"done")


async def test_of_many_calls_at_once_one_claims_the_key(world: World) -> None:
    calls = (claim_answer(world.core, receipt()) for _ in range(20))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, Claim) for one in results) == 1
    assert {one.why for one in results if isinstance(one, Refused)} == {Refusal.IDEMPOTENCY_KEY_IN_FLIGHT}


async def test_a_declined_call_frees_its_key(world: World) -> None:
    await keep_answer(world.core, await claim(world, receipt()), None)
    assert isinstance(await claim_answer(world.core, receipt(b"other")), Claim)


async def test_the_key_of_a_dead_caller_is_taken_over_by_the_same_call_only(world: World) -> None:
    await claim(world, receipt())
    world.time.forward(seconds=59)
    assert await why(claim_answer(world.core, receipt())) is Refusal.IDEMPOTENCY_KEY_IN_FLIGHT
    world.time.forward(seconds=1)
    assert await why(claim_answer(world.core, receipt(b"other"))) is Refusal.IDEMPOTENCY_KEY_REUSED
    calls = (claim_answer(world.core, receipt()) for _ in range(10))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, Claim) for one in results) == 1


async def test_a_slow_caller_cannot_speak_for_the_one_that_took_its_key_over(world: World) -> None:
    slow = await claim(world, receipt())
    world.time.forward(minutes=1)
    quick = await claim(world, receipt())
    await keep_answer(world.core, slow, None)
    assert await why(claim_answer(world.core, receipt())) is Refusal.IDEMPOTENCY_KEY_IN_FLIGHT
    await keep_answer(world.core, quick, Answer(200, b"quick"))
    await keep_answer(world.core, slow, Answer(200, b"slow"))
    assert await claim_answer(world.core, receipt()) == Answer(200, b"quick")


@pytest.mark.parametrize("step", [timedelta(minutes=5), timedelta(days=3)])
async def test_a_clock_moved_by_a_tester_ends_no_call_that_still_runs(world: World, step: timedelta) -> None:
    await claim(world, receipt())
    await world.move_clock(step)
    assert await why(claim_answer(world.core, receipt())) is Refusal.IDEMPOTENCY_KEY_IN_FLIGHT
    await world.move_clock(None)
    assert await why(claim_answer(world.core, receipt())) is Refusal.IDEMPOTENCY_KEY_IN_FLIGHT


async def test_a_key_is_kept_for_thirty_days_and_then_free(world: World) -> None:
    first = await create(world, receipt())
    world.time.forward(days=30, seconds=-1)
    assert await create(world, receipt()) == first
    world.time.forward(seconds=1)
    assert await create(world, receipt(b'{"other":1}')) != first
    assert await payments(world) == 2


async def test_a_key_whose_time_is_over_is_claimed_by_one_of_many(world: World) -> None:
    await create(world, receipt())
    world.time.forward(days=30)
    calls = (claim_answer(world.core, receipt()) for _ in range(20))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, Claim) for one in results) == 1


async def test_housekeeping_drops_keys_whose_time_is_over_and_no_other(world: World) -> None:
    await create(world, receipt(key="old"))
    world.time.forward(days=29)
    await create(world, receipt(key="young"))
    world.time.forward(days=1)
    await forget_answers(world.core)
    assert await world.core.store.answers.load(receipt(key="old")) is None
    assert await world.core.store.answers.load(receipt(key="young")) is not None


async def test_dropping_a_key_whose_time_was_over_spares_whoever_used_it_again(world: World) -> None:
    await create(world, receipt())
    world.time.forward(days=30)
    late = world.core.store.answers.forget(receipt(), world.time())
    again = await create(world, receipt(b'{"again":1}'))
    await world.core.store.commit([late])
    assert await create(world, receipt(b'{"again":1}')) == again
