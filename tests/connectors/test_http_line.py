"""The line out to banks: after any trouble it is known whether the order may have left."""

import asyncio
import socket

import pytest

from opengiro.connectors import REPLY_BYTES_MAX, HttpLine
from opengiro.domain.banks import BankTrouble, Moved
from tests.connectors.scripted_bank import Act, ScriptedBank, break_off, hang, hang_up, reset, say
from tests.ports import free_port


async def trouble(line: HttpLine, url: str, timeout_s: float = 5) -> BankTrouble:
    with pytest.raises(BankTrouble) as caught:
        await line.send("POST", url, {}, b"an order", timeout_s)
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 302, 400, 429, 500, 503])
async def test_every_status_is_an_answer(bank: ScriptedBank, line: HttpLine, status: int) -> None:
    bank.will(say(status, b"text", Retry_After="7", Location="http://127.0.0.1:1/elsewhere"))
    reply = await line.send("POST", bank.url, {"X-Request-ID": "a"}, b"an order")
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (status, b"text", "7")
    assert [(request.method, request.body) for request in bank.received] == [("POST", b"an order")]


@pytest.mark.parametrize("fault", [hang_up, reset, break_off])
async def test_a_connection_lost_after_sending_leaves_the_money_unknown(
    bank: ScriptedBank, line: HttpLine, fault: Act
) -> None:
    bank.will(fault)
    assert (await trouble(line, bank.url)).money is Moved.UNKNOWN
    assert len(bank.received) == 1


async def test_silence_after_sending_leaves_the_money_unknown(bank: ScriptedBank, line: HttpLine) -> None:
    bank.will(hang)
    assert (await trouble(line, bank.url, timeout_s=0.2)).money is Moved.UNKNOWN
    assert len(bank.received) == 1


async def test_the_deadline_covers_an_answer_that_trickles_in(bank: ScriptedBank, line: HttpLine) -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        await break_off(writer)
        await hang(writer)

    bank.will(trickle)
    assert (await trouble(line, bank.url, timeout_s=0.2)).money is Moved.UNKNOWN


async def test_nobody_listening_means_nothing_was_sent(line: HttpLine) -> None:
    assert (await trouble(line, f"http://127.0.0.1:{free_port()}/")).money is Moved.NOT_SENT


async def test_a_handshake_that_never_ends_means_nothing_was_sent(line: HttpLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/"
        assert (await trouble(line, url, timeout_s=0.2)).money is Moved.NOT_SENT


@pytest.mark.parametrize("url", ["", "ftp://bank.example/", "http://[::bad/", "http://bank .example/"])
async def test_an_address_that_is_none_means_nothing_was_sent(line: HttpLine, url: str) -> None:
    assert (await trouble(line, url)).money is Moved.NOT_SENT


async def test_an_endless_answer_is_cut_off(bank: ScriptedBank, line: HttpLine) -> None:
    bank.will(say(200, b"x" * (REPLY_BYTES_MAX + 1)))
    assert "larger" in (await trouble(line, bank.url)).said


async def test_the_largest_answer_allowed_is_read(bank: ScriptedBank, line: HttpLine) -> None:
    bank.will(say(200, b"x" * REPLY_BYTES_MAX))
    assert len((await line.send("GET", bank.url, {})).body) == REPLY_BYTES_MAX


async def test_a_compressed_answer_is_not_unpacked(bank: ScriptedBank, line: HttpLine) -> None:
    bank.will(say(200, b"\x1f\x8b", Content_Encoding="gzip"))
    assert "compressed" in (await trouble(line, bank.url)).said
    assert bank.received[0].headers["accept-encoding"] == "identity"


async def test_a_proxy_of_the_environment_is_not_used(bank: ScriptedBank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    bank.will(say(200))
    async with HttpLine() as fresh:
        assert (await fresh.send("GET", bank.url, {})).status == 200
