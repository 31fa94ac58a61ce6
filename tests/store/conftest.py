"""An open store on a real database file, and a merchant in it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opengiro.domain.merchants import Merchant
from opengiro.store import Store
from opengiro.store.vault import open_vault
from tests import engines

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(await engines.opened(tmp_path), open_vault(tmp_path / "root.key"))
    shop = Merchant(merchant_id=1, domain="shop", name="Shop", legal_name="Shop SARL", zone="Europe/Paris")
    await opened.merchants.save(shop, NOON)
    yield opened
    await opened.close()
