"""One server, one merchant of the banq wire and one browser for each module."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright
from pytest_asyncio import fixture

from tests.banq import Banq, move_in
from tests.server import House, open_house
from tests.widget.stage import NO_FOREIGN_COOKIES, PUBLIC


@fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with open_house(tmp_path_factory.mktemp("server")) as opened:
        yield opened


@fixture(loop_scope="module", scope="module")
async def banq(house: House) -> Banq:
    return await move_in(house, house.credentials, "brise")


@fixture(loop_scope="module", scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        arguments = ["--no-sandbox", PUBLIC, NO_FOREIGN_COOKIES]
        browser = await driver.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        await browser.close()
