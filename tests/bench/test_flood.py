"""An open loop tells the truth about what it sent and heard, whoever answers. No times here."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.flood import Heard, OpenLoop, Wave
from bench.overload import Cores, Rounds, on

GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
SHED = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
BARE = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
FAULT = b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Serve these answers in turn, the last one ever after; an empty one hangs up. Yield the port."""
    left = list(answers)
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            told = left.pop(0) if len(left) > 1 else left[0]
            if not told:
                break
            writer.write(told)
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=lambda: (loop.call_soon(ready.set), loop.run_forever()))
    thread.start()
    ready.wait()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def run(port: int, per_s: float = 20, connections: int = 1) -> Heard:
    return OpenLoop(Wave(port, "token", per_s, 0.5, connections)).run()


def test_each_answer_counts_for_what_it_is() -> None:
    with answering(GOOD, SHED, BARE, FAULT, GOOD) as port:
        heard = run(port, connections=5)
    assert (heard.shed, heard.bare, dict(heard.other)) == (2, 1, {"500": 1})
    assert heard.good == len(heard.latencies) == 7
    assert (heard.refused, heard.answered) == ({0: 2}, {0: 7})
    assert heard.calm_from() is None


def test_a_refusal_of_nginx_counts_like_one_of_the_server() -> None:
    with answering(SHED.replace(b"retry-after", b"Retry-After").replace(b"content-length", b"Content-Length")) as port:
        heard = run(port)
    assert (heard.shed, heard.bare, heard.lost) == (10, 0, 0)


def test_what_finds_no_connection_free_is_told_as_not_sent() -> None:
    with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n") as port:  # it never ends
        loop = OpenLoop(Wave(port, "token", 50, 0.3, 2))
        loop.patience_s = 0.1
        heard = loop.run()
    assert heard.lost == 2
    assert heard.unsent > 0
    assert heard.good == 0


def test_a_connection_that_is_closed_instead_of_an_answer_is_lost() -> None:
    with answering(b"") as port:
        assert run(port).lost == 1


@pytest.mark.parametrize(
    ("refused", "calm"),
    [
        ({}, 0),
        ({1: 1}, 0),
        ({0: 50, 1: 2}, 2),
        ({0: 99, 2: 1}, 1),
        ({6: 9}, 0),
        ({4: 2, 6: 9}, 7),
        ({2: 2, 7: 2}, None),
    ],
)
def test_a_server_is_calm_when_it_refuses_no_more_than_one_in_a_hundred_for_five_seconds(
    refused: dict[int, int], calm: int | None
) -> None:
    answered = Counter({second: 100 - refused.get(second, 0) for second in range(12)})
    assert Heard(12, answered=answered, refused=Counter(refused)).calm_from() == calm


def test_a_server_that_answers_nothing_is_not_calm() -> None:
    assert Heard(12, answered=Counter({0: 100})).calm_from() is None


def test_what_was_refused_is_told_as_a_share_of_some_seconds() -> None:
    heard = Heard(4, answered=Counter({0: 5, 1: 10, 2: 5}), refused=Counter({1: 10, 2: 1}))
    assert [heard.refused_share(0, 1), heard.refused_share(0, 2), heard.refused_share(3, 4)] == [0, 0.4, 0]


def test_rounds_are_told_one_by_one_with_their_median() -> None:
    rounds = Rounds()
    for value in (3.0, 1.0, 2.0):
        rounds.note(share=value)
    assert rounds.told() == {"share": {"median": 2.0, "rounds": [3.0, 1.0, 2.0]}}


def test_who_sends_has_a_processor_to_itself_where_there_are_two() -> None:
    cores = Cores.apart()
    assert len(cores.sending) == 1
    with on(cores.sending):
        assert Cores.apart().serving == cores.sending
    assert Cores.apart() == cores
