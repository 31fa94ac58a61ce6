"""The world of the use-case stories, without and with sandbox banks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.tpp import Sandbox
from tests.usecases.world import World, opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path) as found:
        yield found


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[World]:
    """The same with the sandbox banks on loopback, which live by the same clock."""
    sandbox = Sandbox(tmp_path / "banks", lambda method, path, answer: None)
    with sandbox.running():
        async with opened(tmp_path, sandbox.clock, sandbox=sandbox) as found:
            yield found
