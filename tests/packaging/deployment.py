"""What the deployment files may say: commands that exist, and settings that are settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from opengiro.cli import Assembly, program
from opengiro.settings import read_settings


def command_line(words: Sequence[str]) -> dict[str, Any]:
    """Return what the command understands by these words; raises when it would refuse them. Nothing is run."""
    unused: Any = None
    group: Any = typer.main.get_command(program(Assembly(unused, unused, unused, unused)))
    verb, *arguments = words
    context = group.commands[verb].make_context(verb, list(arguments))
    return dict(context.params)


def settings(environment: Mapping[str, str]) -> None:
    """Read settings as a start would; raises `WrongSetting`. Files that hold secrets stand for good ones."""
    read_settings(None, {name: value for name, value in environment.items() if not name.endswith("_FILE")})
