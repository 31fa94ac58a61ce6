"""Every transcript beside this file is what the server says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialects.powens.transcript import Replay, steps
from tests.server import House

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.http"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_transcript_is_what_the_server_says(house: House, path: Path) -> None:
    replay = Replay(house)
    for step in steps(path):
        await replay.play(step)
