"""A merchant of the banq wire, and one who is a stranger to it."""

from __future__ import annotations

import pytest

from tests.banq import Banq, move_in
from tests.server import House


@pytest.fixture
async def banq(house: House) -> Banq:
    """The shop on this wire."""
    return await move_in(house, house.credentials, "shop")


@pytest.fixture
async def stranger(house: House) -> Banq:
    """Another merchant on this wire."""
    return await move_in(house, house.stranger, "other")
