"""The doubles of the wires that the kit talks to."""

from collections.abc import Iterator

import pytest

from tests.kit.banq_wire import BanqWire, banq_double
from tests.shop.wire import PowensWire, powens_double


@pytest.fixture
def powens_wire() -> Iterator[PowensWire]:
    with powens_double() as wire:
        yield wire


@pytest.fixture
def banq_wire() -> Iterator[BanqWire]:
    with banq_double() as wire:
        yield wire


@pytest.fixture
def original_banq() -> Iterator[BanqWire]:
    with banq_double(original=True) as wire:
        yield wire
