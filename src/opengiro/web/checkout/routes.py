"""Routes of the hosted checkout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute

from opengiro.usecases import Core


def checkout(core: Core, farewells: Any) -> Sequence[BaseRoute]:
    """Return the routes of the hosted pages."""
    return []
