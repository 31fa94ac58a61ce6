"""A list of any length is paged in the same time: nobody counts it to its end."""

import pytest

from opengiro.store import Store, paging
from opengiro.store.known import STALE_S
from tests.store.test_known import Seconds
from tests.store.test_laws import paying

ORDER = "p.created_us, p.payment_id"


@pytest.fixture
async def five(store: Store) -> Store:
    for _ in range(5):
        await store.commit(store.payments.create(paying()))
    return store


async def paged(store: Store, limit: int, offset: int) -> tuple[int, int]:
    payments, total = await store.payments.page(1, (), (), ORDER, limit, offset)
    return len(payments), total


async def test_a_short_list_tells_its_true_length_on_every_page(five: Store) -> None:
    assert [await paged(five, 2, offset) for offset in (0, 2, 4, 6)] == [(2, 5), (2, 5), (1, 5), (0, 5)]


async def test_a_long_list_is_counted_as_far_as_its_page_needs(five: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_MAX", 1)
    assert [await paged(five, 2, offset) for offset in (0, 1, 2, 3, 4)] == [(2, 3), (2, 4), (2, 5), (2, 5), (1, 5)]


async def test_a_count_is_a_second_old_at_most_and_never_below_what_a_page_shows(five: Store) -> None:
    seconds = five.payments.totals.known.now = Seconds()
    assert await paged(five, 2, 0) == (2, 5)
    await five.commit(five.payments.create(paying()))
    assert [await paged(five, 2, offset) for offset in (0, 4, 5)] == [(2, 5), (2, 6), (1, 6)]
    seconds.now += STALE_S
    assert await paged(five, 2, 0) == (2, 6)


async def test_transactions_are_counted_likewise(five: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "COUNT_MAX", 1)
    listed, total = await five.transactions.page(1, (), (), 2, 1)
    assert (len(listed), total) == (2, 4)
