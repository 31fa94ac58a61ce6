"""One `opengiro dev` for the tests of a module, and fresh ones for those that stop it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.laptop import Laptop, started


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A running `opengiro dev` that the tests of a module share."""
    with started(tmp_path_factory.mktemp("laptop") / "data") as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder for a start of one's own."""
    return tmp_path / "data"
