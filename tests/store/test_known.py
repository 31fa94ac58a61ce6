"""What is remembered between calls: never older than a second, and gone at once when this process ended it (I26)."""

import os
from dataclasses import replace

import pytest

from opengiro.domain.identifiers import mint_token
from opengiro.domain.merchants import Application
from opengiro.domain.rights import Principal, Right
from opengiro.store import Store
from opengiro.store.known import STALE_S, Known
from tests.store.conftest import NOON

HOLDER = Principal(merchant_id=1, client_id="1000001", rights=frozenset({Right.READ}))
APPLICATION = Application(
    merchant_id=1,
    client_id="1000001",
    name="Shop",
    redirect_uris=("https://shop.test/",),
    secret_hash=bytes(32),
    created_at=NOON,
)


class Seconds:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def elsewhere(store: Store, seconds: Seconds) -> Store:
    """Another process on the same database, which remembers for itself."""
    other = Store(store.engine, store.vault)
    other.tokens.known.now = other.applications.known.now = seconds
    return other


@pytest.fixture
async def token(store: Store) -> str:
    await store.applications.insert(APPLICATION, "test")
    made = mint_token(1, os.urandom(32))
    await store.commit([store.tokens.insert(made, HOLDER)])
    return made


async def test_a_token_revoked_by_another_process_ends_within_a_second(
    store: Store, elsewhere: Store, seconds: Seconds, token: str
) -> None:
    assert await elsewhere.tokens.load(token) == HOLDER
    await store.commit([store.tokens.revoke(token, 1, NOON)])
    seconds.now += STALE_S
    assert await elsewhere.tokens.load(token) is None


async def test_a_token_revoked_here_ends_here_at_once(store: Store, token: str) -> None:
    assert await store.tokens.load(token) == HOLDER
    await store.commit([store.tokens.revoke(token, 1, NOON)])
    assert await store.tokens.load(token) is None


async def test_the_tokens_of_an_application_end_with_it(
    store: Store, elsewhere: Store, seconds: Seconds, token: str
) -> None:
    for one in (store, elsewhere):
        assert await one.tokens.load(token) == HOLDER
        assert await one.applications.recent(1, "1000001") == APPLICATION
    await store.applications.delete(APPLICATION, "test", NOON)
    assert await store.tokens.load(token) is None
    assert await store.applications.recent(1, "1000001") is None
    seconds.now += STALE_S
    assert await elsewhere.tokens.load(token) is None
    assert await elsewhere.applications.recent(1, "1000001") is None


async def test_a_redirect_uri_taken_back_here_counts_at_once(store: Store, token: str) -> None:
    assert await store.applications.recent(1, "1000001") == APPLICATION
    changed = replace(APPLICATION, redirect_uris=())
    await store.applications.update(changed, APPLICATION, "test", NOON)
    assert await store.applications.recent(1, "1000001") == changed


async def test_a_token_nobody_has_is_asked_for_again(store: Store) -> None:
    token = mint_token(1, os.urandom(32))
    assert await store.tokens.load(token) is None
    await store.commit([store.tokens.insert(token, HOLDER)])
    assert await store.tokens.load(token) == HOLDER


def test_the_memory_has_an_end() -> None:
    known: Known[int, int] = Known(lambda: 0.0)
    for number in range(100_000):
        known.keep(number, number, 0.0)
    assert sum(known.get(number) is not None for number in range(100_000)) <= 10_000
    assert known.get(99_999) == 99_999
