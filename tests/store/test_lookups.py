"""Look-ups that PostgreSQL is asked for together answer as each would alone."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from opengiro.domain.money import Money
from opengiro.store import Store
from opengiro.store.engines.lookups import NAMES
from opengiro.store.statements import statements
from tests.store.test_laws import paying, trying

pytestmark = pytest.mark.engine("postgres")


@pytest.fixture
def asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many look-ups each statement was for."""
    sizes: list[int] = []
    lookups: Any = store.engine._lookups  # type: ignore[attr-defined]
    find = lookups._find

    async def counting(name: str, keys: list[Any]) -> Any:
        sizes.append(len(keys))
        return await find(name, keys)

    monkeypatch.setattr(lookups, "_find", counting)
    return sizes


async def test_each_of_many_gets_its_own_rows_in_their_order(store: Store, asked: list[int]) -> None:
    payments = []
    for count in (1, 3, 40, 2):
        (one,) = paying().instructions
        orders = tuple(replace(one, amount=Money(100 + at, "EUR"), reference_id=f"e2e-{at}") for at in range(count))
        payments.append(replace(paying(), instructions=orders))
        await store.commit(store.payments.create(payments[-1]))
    ids = [one.payment_id for one in payments]
    found = await asyncio.gather(*(store.payments.load(1, number) for number in [*ids, 1, *reversed(ids)]))
    assert list(found) == [*payments, None, *reversed(payments)]
    assert max(asked) > 1


async def test_another_merchant_finds_nothing_in_the_same_statement(store: Store, asked: list[int]) -> None:
    payment = paying()
    await store.commit(store.payments.create(payment))
    load = store.payments.load
    assert await asyncio.gather(*(load(number, payment.payment_id) for number in (2, 1, 3))) == [None, payment, None]
    assert max(asked) > 1


async def test_the_newest_attempt_of_each_payment_is_found(store: Store) -> None:
    attempts = []
    for _ in range(3):
        payment = paying()
        attempts.append(trying(payment, 1))
        await store.commit([*store.payments.create(payment), store.attempts.insert(attempts[-1], str(payment.guid))])
    assert await asyncio.gather(*(store.attempts.last(1, one.payment_id) for one in attempts)) == attempts


async def test_a_question_that_cannot_be_asked_fails_alone(store: Store) -> None:
    payment = paying()
    await store.commit(store.payments.create(payment))
    asked = (store.payments.load(1, number) for number in (payment.payment_id, 2**70, payment.payment_id))
    first, wrong, last = await asyncio.gather(*asked, return_exceptions=True)
    assert first == last == payment
    assert isinstance(wrong, Exception)


async def test_whoever_goes_away_takes_nobody_along(store: Store) -> None:
    payment = paying()
    await store.commit(store.payments.create(payment))
    one, other = (asyncio.ensure_future(store.payments.load(1, payment.payment_id)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert await other == payment


def test_what_is_looked_up_together_is_a_named_query() -> None:
    assert set(statements()) >= NAMES
