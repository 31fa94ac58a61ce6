"""A merchant with recurring payments, on a movable clock, in front of the real server and the sandbox banks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opengiro.cli.directory import TEST_BANK_ID
from opengiro.domain.clock import Clock
from opengiro.domain.occurrence import Occurrence
from opengiro.usecases.change_settings import change_settings
from opengiro_sandbox.banks import BY_CODE
from tests.server import House, open_house, order

PARIS = ZoneInfo("Europe/Paris")
WITHIN_S = 20


def clock_from(day: str) -> Clock:
    """Real time, as if the test had begun at noon of a day."""
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=PARIS).astimezone(UTC)
    begun = datetime.now(UTC)
    return Clock(lambda: noon + (datetime.now(UTC) - begun))


@dataclass(slots=True)
class Merchant:
    """The shop's view of one house."""

    house: House

    async def agree(self, start: str, frequency: str = "monthly", end: str | None = None, label: str = "Rent") -> int:
        """Create a recurring payment and return its id."""
        instruction = order(label)["instructions"][0] | {"execution_date_type": "periodic", "frequency": frequency}
        instruction |= {"start_date": start} | ({"end_date": end} if end else {})
        created = await self.house.pay(instructions=[instruction])
        return int(created["id"])

    async def consent(self, payment_id: int, bank: str = TEST_BANK_ID) -> dict[str, Any]:
        """Let the payer choose the bank and approve there; return the payment once it is active."""
        validated = await self.house.validate(payment_id, bank)
        if validated["validate_uri"]:
            await self.approve(validated["validate_uri"])
        return await self.house.settle(payment_id, "pending")

    async def approve(self, page: str) -> None:
        """Go through the sandbox bank's pages as its payer, and come back."""
        http = self.house.http
        bank = BY_CODE[page.split("/")[-3]]
        await http.post(page, data={"user": "40 281 977", "password": "sandbox"})
        await http.post(f"{page}/account", data={"account": bank.accounts[0].iban})
        answer = await http.post(f"{page}/approve", data={"decision": "approve"})
        await http.get(answer.headers["location"])

    async def reach(self, day: str, hour: int = 12) -> None:
        """Move the clock to an hour of a day in the merchant's zone."""
        wanted = datetime.fromisoformat(day).replace(hour=hour, tzinfo=PARIS)
        await self.house.move(wanted.astimezone(UTC) - self.house.now())

    async def occurrences(self, payment_id: int) -> list[Occurrence]:
        """Return what has fallen due so far."""
        return await self.house.core.store.occurrences.of_payment(1, payment_id)

    async def told(self, payment_id: int, *expected: str) -> list[Occurrence]:
        """Wait until the dates and their states are exactly these, such as `2027-01-31 done`; return them."""
        found: list[Occurrence] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                while spell(found) != [*expected]:
                    await asyncio.sleep(0.05)
                    found = await self.occurrences(payment_id)
        assert spell(found) == [*expected], (spell(found), expected)
        return found


def spell(occurrences: list[Occurrence]) -> list[str]:
    """Write dates and states as a story does."""
    return [f"{one.due_date} {one.state}" for one in occurrences]


Open = Callable[[str], contextlib.AbstractAsyncContextManager[Merchant]]


def opener(folder: Path) -> Open:
    """Return what opens the merchant's house at noon of a day; opening it again is a restart."""

    @contextlib.asynccontextmanager
    async def opened(day: str) -> AsyncIterator[Merchant]:
        async with open_house(folder, clock_from(day)) as house:
            await change_settings(house.core, 1, {"payment.periodic.enabled": "1"}, "test")
            yield Merchant(house)

    return opened


def bank_id(house: House, slug: str) -> str:
    """Return the id of a sandbox bank by its code."""
    return next(bank.bank_id for bank in house.core.store.banks.all() if bank.slug == slug)
