"""How often a login may be tried, whoever tries and whatever they know."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from opengiro.domain.login_gate import BURST, REFILL, LoginGate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = b"\x01\x02\x03\x04rest"


def exhausted(at: datetime = NOW) -> LoginGate:
    gate = LoginGate()
    assert [gate.enter(KEY, at) for _ in range(BURST)] == [None] * BURST
    return gate


def test_after_a_burst_each_further_try_costs_its_time() -> None:
    gate = exhausted()
    assert gate.enter(KEY, NOW) == REFILL
    assert gate.enter(KEY, NOW + REFILL - timedelta(seconds=1)) == timedelta(seconds=1)
    assert gate.enter(KEY, NOW + REFILL) is None
    assert gate.enter(KEY, NOW + REFILL) == REFILL


def test_being_refused_costs_nothing() -> None:
    gate = exhausted()
    for _ in range(1000):
        gate.enter(KEY, NOW)
    assert gate.enter(KEY, NOW + REFILL) is None


def test_an_allowance_is_never_more_than_whole() -> None:
    gate = exhausted()
    later = NOW + timedelta(days=30)
    assert [gate.enter(KEY, later) for _ in range(BURST)] == [None] * BURST
    assert gate.enter(KEY, later) is not None


def test_a_login_makes_the_allowance_whole() -> None:
    gate = exhausted()
    gate.forgive(KEY)
    assert gate.enter(KEY, NOW) is None


def test_other_keys_are_untouched() -> None:
    gate = exhausted()
    assert gate.enter(b"\x01\x02\x03\x05rest", NOW) is None


@given(st.lists(st.timedeltas(timedelta(), timedelta(minutes=5)), max_size=60))
def test_no_rhythm_of_tries_gets_more_than_the_allowance(pauses: list[timedelta]) -> None:
    gate, at, taken = LoginGate(), NOW, 0
    for pause in pauses:
        at += pause
        taken += gate.enter(KEY, at) is None
    assert taken <= BURST + (at - NOW) // REFILL


def test_a_million_names_take_no_more_memory_than_one() -> None:
    gate = LoginGate()
    before = gate.__sizeof__() + gate._whole_again.__sizeof__()
    for _ in range(1000):
        gate.enter(os.urandom(16), NOW)
    assert gate.__sizeof__() + gate._whole_again.__sizeof__() == before
