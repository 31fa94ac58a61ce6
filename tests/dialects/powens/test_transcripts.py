"""Every transcript beside this file is what the server says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects.powens.transcript import Replay, Step, steps
from tests.server import House

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.http"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_transcript_is_what_the_server_says(house: House, path: Path) -> None:
    replay = Replay(house)
    for step in steps(path):
        await replay.play(step)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (418, '{"code": "methodNotAllowed", "...": "..."}'),
        (405, '{"code": "notFound", "...": "..."}'),
        (405, '{"code": "methodNotAllowed"}'),
        (405, '{"code": "methodNotAllowed", "description": "<datetime>", "...": "..."}'),
        (405, '{"other": "methodNotAllowed", "...": "..."}'),
    ],
)
async def test_a_transcript_that_says_otherwise_is_noticed(house: House, status: int, answer: str) -> None:
    step = Step("A wrong method", "DELETE", "/payments", {}, "", status, {}, answer)
    with pytest.raises(AssertionError, match="A wrong method"):
        await Replay(house).play(step)
