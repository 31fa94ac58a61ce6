"""`opengiro time`: move the clock of the merchant that a running `opengiro dev` serves."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from opengiro.cli.credentials import load_world

_PART = re.compile(r"([0-9]{1,6})([smhdw])")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIMEOUT_S = 10


def read_move(text: str) -> timedelta | None:
    """Return how far `+2h30m` moves; None for `now`. Raises `ValueError` for anything else."""
    if text == "now":
        return None
    parts = _PART.findall(text)
    if not text.startswith("+") or "".join(number + unit for number, unit in parts) != text[1:] or not parts:
        raise ValueError("expected a move such as +15m, +3d or +2h30m, or now")
    return sum((timedelta(**{_UNIT[unit]: int(number)}) for number, unit in parts), timedelta())


def move_time(text: str, data: Path) -> int:
    """Move the clock and print what time it is now; return the exit code."""
    try:
        move = read_move(text)
        typer.echo(_ask(load_world(data / "dev.json"), None if move is None else int(move.total_seconds()), data))
    except _NotMoved as trouble:
        typer.echo(trouble, err=True)
        return 1
    except (ValueError, OverflowError) as trouble:
        typer.echo(f"The clock was not moved: {trouble}.", err=True)
        return 1
    return 0


class _NotMoved(Exception):
    """Nobody there could or would move the clock; the message is a sentence."""


def _ask(world: dict[str, Any], move_s: int | None, data: Path) -> str:
    if not world:
        raise _NotMoved(f"No `opengiro dev` keeps its data in {data}: start it, or name its folder with --data.")
    request = urllib.request.Request(  # noqa: S310  # the address is the one that `opengiro dev` wrote
        f"{world['base_url']}/dev/time",
        data=json.dumps({"move_s": move_s}).encode(),
        headers={"authorization": f"Bearer {world['powens']['config_token']}", "content-type": "application/json"},
        method="POST",
    )
    try:
        # Without this opener a proxy of the environment would be asked for 127.0.0.1.
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_TIMEOUT_S) as answer:
            return f"It is now {json.load(answer)['now']} for {world['base_url']}."
    except urllib.error.HTTPError as refusal:
        raise _NotMoved(f"The clock was not moved: {_error(refusal)}.") from None
    except OSError:
        raise _NotMoved(f"No `opengiro dev` answers at {world['base_url']}: start it first.") from None


def _error(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{refusal.geturl()} answered {refusal.code}"
