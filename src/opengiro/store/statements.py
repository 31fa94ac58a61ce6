"""Named SQL: every `-- name` block of `queries/*.sql` by its name, with the sentence that describes it."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements() -> dict[str, str]:
    """Load every named statement once; a name used twice stops the start."""
    found: dict[str, str] = {}
    for file in sorted(files("opengiro.store.queries").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".sql"):
            for name, text in read(file.read_text()):
                if name in found:
                    raise ValueError(f"the statement {name} is defined twice")
                found[name] = text
    return found


def read(text: str) -> list[tuple[str, str]]:
    """Split one file into (name, statement) pairs; comments stay, they cost nothing."""
    pieces = _HEAD.split(text)
    return [(name, body.strip().rstrip(";")) for name, body in zip(pieces[1::2], pieces[2::2], strict=True)]
