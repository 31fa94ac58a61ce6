"""Every transcript beside this file is what the server says today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.banq import PUBLIC_CLIENT, Banq
from tests.dialects.powens.transcript import Replay, steps
from tests.workers.sink import sink

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.http"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_transcript_is_what_the_server_says(banq: Banq, path: Path) -> None:
    replay = Replay(banq.house)
    async with sink() as receiver:
        replay.kept |= {
            "username": banq.username,
            "password": banq.password,
            "email": banq.email,
            "email_password": banq.email_password,
            "public_client": PUBLIC_CLIENT,
            "banq_guid": banq.account.account_id,
            "space": banq.space.space_id,
            "platform": banq.space.platform_id,
            "hook": receiver.url,
        }
        for step in steps(path):
            await replay.play(step)
