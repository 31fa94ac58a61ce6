"""What many attempts have to save is saved together, and each is accepted or refused on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from opengiro.domain.clock import EPOCH
from opengiro.domain.deliveries import Delivery, DeliveryTry, Outcome, Stage, Verdict, Webhook
from opengiro.store import Conflict, Write
from opengiro.store.engines.columns import GUARDED
from opengiro.store.statements import statements
from opengiro.usecases.deliver_event import claim_deliveries
from tests.workers.house import House, house

TRIED = DeliveryTry(attempt=1, at=EPOCH, request_headers=(), outcome=Outcome(status=200))


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as found:
        yield found


async def claimed(home: House) -> list[Delivery]:
    """Return what one turn claims, as it is ordered."""
    found = [claim.delivery for claim in await claim_deliveries(home.core, lambda _: 4)]
    return sorted(found, key=lambda one: (one.webhook_id, one.payment_id))


async def verdicts(home: House, commands: Sequence[list[Write]]) -> list[type]:
    """Save all of them at once, and return what each heard."""
    heard = await asyncio.gather(*(home.core.store.commit(one) for one in commands), return_exceptions=True)
    return [type(one) for one in heard]


def settled(home: House, delivery: Delivery) -> list[Write]:
    return home.core.store.deliveries.settle(delivery, Verdict(Stage.DELIVERED, delivery.due_at), TRIED)


async def endpoints(home: House, count: int) -> list[Webhook]:
    return [await home.webhook(f"http://127.0.0.1:9/{number}") for number in range(count)]


async def test_of_outcomes_saved_together_only_those_of_lost_claims_are_refused(home: House) -> None:
    (webhook,) = await endpoints(home, 1)
    for _ in range(3):
        await home.moved_payment()
    first, lost, last = await claimed(home)
    await home.core.store.commit([home.core.store.deliveries.free(lost)])
    (again,) = await claimed(home)
    assert (again.payment_id, again.fence) == (lost.payment_id, lost.fence + 1)
    assert await verdicts(home, [settled(home, one) for one in (first, lost, last)]) == [list, Conflict, list]
    assert {one.payment_id for one, _ in await home.log(webhook)} == {first.payment_id, last.payment_id}
    assert await verdicts(home, [settled(home, again)]) == [list]


async def test_one_outcome_told_twice_at_once_is_saved_once(home: House) -> None:
    (webhook,) = await endpoints(home, 1)
    await home.moved_payment()
    (one,) = await claimed(home)
    assert sorted(map(str, await verdicts(home, [settled(home, one)] * 2))) == sorted(map(str, [list, Conflict]))
    assert len(await home.log(webhook)) == 1


async def test_an_id_that_is_taken_refuses_its_own_delivery_and_no_other(home: House) -> None:
    await endpoints(home, 3)
    await home.moved_payment()
    save = home.core.store.deliveries.save_body
    ready = [
        replace(one, body=b"{}", data_id=number) for one, number in zip(await claimed(home), (7, 7, 8), strict=True)
    ]
    assert await verdicts(home, [[save(one)] for one in ready]) == [list, Conflict, list]


async def test_one_turn_claims_for_each_endpoint_as_many_as_it_has_room_for(home: House) -> None:
    webhooks = await endpoints(home, 3)
    for _ in range(5):
        await home.moved_payment()
    room = {one.webhook_id: number for number, one in enumerate(webhooks)}
    found = await claim_deliveries(home.core, lambda webhook: room[webhook.webhook_id])
    assert (
        sorted(claim.webhook.webhook_id for claim in found) == [webhooks[1].webhook_id] + [webhooks[2].webhook_id] * 2
    )
    assert all(claim.delivery.webhook_id == claim.webhook.webhook_id for claim in found)


def test_what_shares_a_statement_is_a_named_one() -> None:
    assert set(statements()) >= GUARDED
