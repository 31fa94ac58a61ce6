"""What every test may ask for: the reference material beside the checkout, a browser, a server, and an engine."""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import httpcore2
import hypothesis
import pytest

from tests import engines
from tests.server import house

__all__ = ["house"]

MEMORY = Path("/dev/shm")  # noqa: S108  # nothing in it has to last
"""Folders of tests are in memory where there is room: what they wait for should be us, and not a disk."""
_ROOM_BYTES = 2**30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > _ROOM_BYTES:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# Reading the machine's certificates takes longer than many a test; all clients of this process share them.
httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)

# How long an example takes tells how busy the machine is, and nothing of us.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

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


def pytest_report_header() -> str:
    """Say which engine this run is about."""
    return f"database engine: {engines.ENGINE}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches a database, and leave out what does not belong to this run's engine."""
    out = set()
    for item in items:
        about = engines.engines_of(item)
        if "postgres" in about:
            item.add_marker("database")
        if engines.ENGINE not in about:
            out.add(item)
    if out:
        config.hook.pytest_deselected(items=list(out))
        items[:] = [item for item in items if item not in out]
