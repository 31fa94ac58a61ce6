"""What every test may ask for: the reference material beside the checkout, and a browser."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server import House, open_house

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout; a test that needs it skips where it is absent."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the reference material is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium; without one a developer's run skips and a build fails."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("no Chromium on PATH, and a build must run the browser tests")
    return found or pytest.skip("no Chromium on PATH; tools/browser says how to install one")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """The real server on loopback with an empty database, two merchants, and a clock to move."""
    async with open_house(tmp_path / "server") as opened:
        yield opened
