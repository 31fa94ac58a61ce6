"""A line, a scripted bank and the official file, for whoever tests connectors."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from opengiro.connectors import HttpLine
from tests.connectors.official import Official
from tests.connectors.scripted_bank import ScriptedBank, scripted_bank
from tests.sandbox.tpp import Sandbox


@pytest.fixture
async def line() -> AsyncIterator[HttpLine]:
    async with HttpLine() as opened:
        yield opened


@pytest.fixture
async def bank() -> AsyncIterator[ScriptedBank]:
    async with scripted_bank() as opened:
        yield opened


@pytest.fixture(scope="session")
def official(shared: Path) -> Official:
    """The official file of the standard, loaded once."""
    return Official(shared / "specs/berlin/psd2-api_v1.3.11-2021-10-01v1.yaml")


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest) -> Official | None:
    """The official file where it is beside the checkout; elsewhere the stories run unjudged."""
    try:
        found: Official = request.getfixturevalue("official")
    except pytest.skip.Exception:
        return None
    return found


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The sandbox banks over real HTTP; what they answer is judged on our side of the line."""
    with Sandbox(tmp_path, lambda method, path, answer: None).running() as running:
        yield running
