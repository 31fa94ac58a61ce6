"""The double of the wire that the kit talks to."""

from collections.abc import Iterator

import pytest

from tests.shop.wire import PowensWire, powens_double


@pytest.fixture
def powens_wire() -> Iterator[PowensWire]:
    with powens_double() as wire:
        yield wire
