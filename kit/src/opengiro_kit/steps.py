"""Running what a shop does step by step, blocking or not, from one description.

A recipe is a generator: it yields steps and is handed what they gave, or the exception they raised. Steps of the shop's
own code are blocking; the asynchronous driver runs them in a thread, so no recipe ever holds up an event loop.
"""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Remote:
    """A call of a client, which gives an awaitable where the client is asynchronous."""

    act: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Local:
    """A call of the shop's own code."""

    act: Callable[[], Any]


Step = Remote | Local
Recipe = Generator[Step, Any, Result]


def locally(act: Callable[[], Result]) -> Recipe[Result]:
    """Call the shop's own code."""
    return cast("Result", (yield Local(act)))


def cook(recipe: Recipe[Result]) -> Result:
    """Carry a recipe out with blocking clients."""
    try:
        step = next(recipe)
        while True:
            try:
                found = step.act()
            except Exception as trouble:  # noqa: BLE001  # the recipe decides what to do about it
                step = recipe.throw(trouble)
            else:
                step = recipe.send(found)
    except StopIteration as end:
        return cast("Result", end.value)


async def cook_async(recipe: Recipe[Result]) -> Result:
    """Carry a recipe out with asynchronous clients."""
    try:
        step = next(recipe)
        while True:
            try:
                found = await (step.act() if isinstance(step, Remote) else asyncio.to_thread(step.act))
            except Exception as trouble:  # noqa: BLE001  # the recipe decides what to do about it
                step = recipe.throw(trouble)
            else:
                step = recipe.send(found)
    except StopIteration as end:
        return cast("Result", end.value)
