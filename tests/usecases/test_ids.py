"""Ids of 53 bits: none is drawn twice, however many a process draws at the same moment."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from opengiro.domain.identifiers import IDS_A_MILLISECOND, least_payment_id
from opengiro.usecases.ids import Ids

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("chance", [b"\x12\x34", b"\xff\xff"], ids=["amid a millisecond", "at its end"])
def test_no_id_is_drawn_twice_however_little_chance_there_is(chance: bytes) -> None:
    ids = Ids()
    drawn = {ids.draw(NOW, chance) for _ in range(IDS_A_MILLISECOND)}
    assert len(drawn) == IDS_A_MILLISECOND
    assert min(drawn) == least_payment_id(NOW)
    assert max(drawn) < least_payment_id(NOW + timedelta(milliseconds=1))


def test_a_millisecond_that_is_used_up_ends_in_an_id_that_the_database_refuses() -> None:
    ids = Ids()
    drawn = {ids.draw(NOW, os.urandom(2)) for _ in range(IDS_A_MILLISECOND)}
    assert ids.draw(NOW, os.urandom(2)) in drawn


def test_each_id_holds_its_own_millisecond_though_a_clock_goes_back() -> None:
    ids = Ids()
    for later in (0, 5, 3, 3, 9):
        at = NOW + timedelta(milliseconds=later)
        assert ids.draw(at, b"\0\0") // IDS_A_MILLISECOND == least_payment_id(at) // IDS_A_MILLISECOND


def test_with_a_new_millisecond_everything_is_left_to_chance_again() -> None:
    ids = Ids()
    for later in range(3):
        at = NOW + timedelta(milliseconds=later)
        assert ids.draw(at, b"\x12\x34") == least_payment_id(at) + 0x123
