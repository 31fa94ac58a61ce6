"""`opengiro time`: move the clock of the merchant that a running `opengiro dev` serves."""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

_PART = re.compile(r"(\d{1,6})([smhdw])")
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
        dev = json.loads((data / "dev.json").read_text())
        print(_post(dev, None if move is None else int(move.total_seconds())))
    except FileNotFoundError:
        print(f"No `opengiro dev` keeps its data in {data}: start it, or name its folder with --data.", file=sys.stderr)
        return 1
    except (ValueError, urllib.error.URLError) as trouble:
        print(f"The clock was not moved: {trouble}.", file=sys.stderr)
        return 1
    return 0


def _post(dev: dict[str, dict[str, str] | str], move_s: int | None) -> str:
    powens = dev["powens"]
    token = powens["config_token"] if isinstance(powens, dict) else ""
    request = urllib.request.Request(
        f"{dev['base_url']}/dev/time",
        data=json.dumps({"move_s": move_s}).encode(),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        return f"It is now {json.load(answer)['now']} for {dev['base_url']}."
