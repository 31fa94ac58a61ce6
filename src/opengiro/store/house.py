"""What the processes of one house share besides its facts: keys, versions of what they hold in memory, and duties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opengiro.store.engines import Write

if TYPE_CHECKING:
    from opengiro.store.engines import Engine
    from opengiro.store.vault import Vault

BANKS, CLOCKS, HOLDS = "banks", "clocks", "holds"
"""What has a version."""


@dataclass(frozen=True, slots=True)
class HouseKeys:
    """Keys that every machine has to have alike; their texts are sealed under the root key."""

    engine: Engine
    vault: Vault

    async def all(self) -> dict[str, bytes]:
        """Return every key by its name; raises `InvalidTag` when the root key is another house's."""
        rows = await self.engine.fetch("load_house_keys")
        return {name: self.vault.open(sealed, _place(name)) for name, sealed in rows}

    async def have(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return a key, made if it is missing; of several who make it at once the first wins."""
        found = await self.all()
        if name not in found:
            sealed = self.vault.seal(make(), _place(name))
            await self.engine.commit([Write("insert_house_key", (name, sealed), None)])
            found = await self.all()
        return found[name]


@dataclass(frozen=True, slots=True)
class House:
    """Versions and duties."""

    engine: Engine

    async def versions(self) -> dict[str, int]:
        """Return how often each thing that processes hold in memory was changed."""
        return dict(await self.engine.fetch("load_versions"))

    async def hold(self, duty: str, holder: str, now_us: int, until_us: int) -> bool:
        """Take a duty that is free or ours until a moment of real time; return whether we hold it."""
        (rows,) = await self.engine.commit([Write("claim_duty", (duty, holder, now_us, until_us), None)])
        return bool(rows)

    async def free(self, duty: str, holder: str) -> None:
        """Let somebody else take a duty of ours at once."""
        await self.engine.commit([Write("free_duty", (duty, holder), None)])


def changed(name: str) -> Write:
    """Return the write that makes other processes read something again, for the transaction that changes it."""
    return Write("raise_version", (name,), None)


def _place(name: str) -> str:
    return f"house_keys/{name}"


async def is_lived_in(engine: Engine) -> bool:
    """Whether somebody keeps something here that only their root key opens."""
    return bool(await engine.fetch("load_house_keys") or await engine.fetch("load_merchants"))
