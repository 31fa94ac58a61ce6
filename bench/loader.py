"""The load generator: a process that keeps N connections busy, each with one request at a time (a closed loop).

It reads jobs as JSON and answers with a tally of each as JSON. Jobs that are to be compared take short turns: what a
machine can do changes within a second, and by more than most of what is compared here. Requests are bytes made
beforehand; of an answer only the status and the length are read. One request costs it about 15 µs, so it never is what
limits the server (the run measures that cost against a server that does nothing, and prints it).
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, cycle
from typing import Literal

import msgspec

from bench.figures import p50_p99

KEY_LENGTH = 32
COUNT_LENGTH = 12
_SPELLINGS = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")
"""As uvicorn and nginx write it, which a search for any spelling would take twice as long to find."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEPT = {
    "id": re.compile(rb'"id": ?(?P<kept>\d+)'),
    "seat": re.compile(rb'(?P<kept>"token": ?"[^"]+".*"id_payment": ?\d+)'),
}
_SETTLE_S = 30
"""How long answers may take that are still due when the time is over."""


Slot = Literal["key", "count"]


class Made(msgspec.Struct, tag="made"):
    """Requests of one form: between the pieces go, in turn, a random key and a count, both of a fixed length."""

    pieces: list[str]
    slots: list[Slot]
    most: int = 10**COUNT_LENGTH  #: after so many the run ends


class Given(msgspec.Struct, tag="given"):
    """Requests that are sent as they are; `once` ends the run with the last of them."""

    requests: list[str]
    once: bool = False


class Job(msgspec.Struct):
    """What to send, where, for how long, over how many connections."""

    port: int
    requests: Made | Given
    connections: int = 1
    warm_s: float = 0.3
    seconds: float = 1.0
    host: str = "127.0.0.1"
    spin: bool = False  #: look for answers without sleeping, which takes a whole processor and needs no waking
    keep: Literal["", "id", "seat"] = ""  #: what of each answer is wanted: a payment's id, or a live token and its id


class Turns(msgspec.Struct):
    """Jobs one after the other, so many times, every other time the last one first."""

    jobs: list[Job]
    times: int = 1


class Tally(msgspec.Struct):
    """What came back. `acknowledged` counts every answer below 300, warm-ups and ends included."""

    counted: int  #: answers below 300 inside the measured windows
    seconds: float  #: how long those windows were
    acknowledged: int
    statuses: dict[str, int]
    p50_ms: float
    p99_ms: float
    cost_us: float  #: what one request cost this process
    kept: list[str] = []

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.counted / self.seconds

    @property
    def refused(self) -> int:
        """How many answers were no success."""
        return sum(self.statuses.values()) - self.acknowledged


class _Connection:
    __slots__ = ("begun", "buffer", "busy", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=_SETTLE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun = 0.0
        self.busy = False
        self.buffer = b""


class Loader:
    """One job, over connections that stay open between its turns."""

    def __init__(self, job: Job) -> None:
        """Open the connections."""
        self._job = job
        self._requests = _requests(job.requests)
        self._sending = False
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._statuses: Counter[bytes] = Counter()
        self._fresh: list[float] = []
        self._latencies: list[float] = []
        self._acknowledged = self._counted = 0
        self._seconds = self._used = 0.0
        self._wanted = _KEPT.get(job.keep)
        self._kept: list[str] = []
        for _ in range(job.connections):
            made = _Connection((job.host, job.port))
            self._open[made.socket.fileno()] = made
            self._poll.register(made.socket, select.EPOLLIN)

    def run(self) -> None:
        """Take one turn: send until the time is over, then wait for the answers that are still due."""
        job, clock = self._job, time.perf_counter
        self._sending = True
        busy = sum([self._send(one) for one in self._open.values()])
        busy = self._go(clock() + job.warm_s, busy)
        self._fresh.clear()
        before, begun, used = self._acknowledged, clock(), time.process_time()
        busy = self._go(begun + job.seconds, busy)
        self._seconds += clock() - begun
        self._used += time.process_time() - used
        self._counted += self._acknowledged - before
        self._latencies += self._fresh
        self._sending = False
        self._go(clock() + _SETTLE_S, busy)

    def tally(self) -> Tally:
        """Return what came back in all turns."""
        p50, p99 = p50_p99(self._latencies) if self._latencies else (0.0, 0.0)
        return Tally(
            counted=self._counted,
            seconds=self._seconds,
            acknowledged=self._acknowledged,
            statuses={status.decode(): number for status, number in self._statuses.items()},
            p50_ms=p50 * 1000,
            p99_ms=p99 * 1000,
            cost_us=self._used / max(1, len(self._latencies)) * 1e6,
            kept=self._kept,
        )

    def _go(self, until: float, busy: int) -> int:
        """Answer every answer with the next request until then; return how many connections still wait."""
        poll, opened, clock, spin = self._poll.poll, self._open, time.perf_counter, self._job.spin
        while busy and clock() < until:
            for number, _ in poll(0 if spin else max(0.0, until - clock())):
                one = opened[number]
                if self._take(one) and not self._send(one):
                    busy -= 1
        return busy

    def _send(self, one: _Connection) -> bool:
        request = next(self._requests, None) if self._sending else None
        one.busy = request is not None
        if request is None:
            return False
        one.begun = time.perf_counter()
        one.socket.sendall(request)
        return True

    def _take(self, one: _Connection) -> bool:
        """Read what came; return whether the answer is whole."""
        data = one.socket.recv(65_536)
        if not data:
            if one.busy:
                raise ConnectionError(
                    f"the server closed a connection that waited for an answer; told: {self._statuses}"
                )
            self._poll.unregister(one.socket)  # it has nothing left to send, and a server need not keep it
            return False
        if one.buffer:
            data = one.buffer + data
        size = answer_size(data)
        if size is None or len(data) < size:
            one.buffer = data
            return False
        one.buffer = b""
        status = data[9:12]
        self._fresh.append(time.perf_counter() - one.begun)
        self._statuses[status] += 1
        if status < b"300":
            self._acknowledged += 1
            if self._wanted and (found := self._wanted.search(data)):
                self._kept.append(found["kept"].decode())
        return True


def answer_size(data: bytes) -> int | None:
    """Return how long the whole answer is, or None while its head is not here."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    for spelling in _SPELLINGS:
        begin = data.find(spelling, 0, end)
        if begin >= 0:
            return end + 4 + int(data[begin + 18 : data.index(b"\r", begin + 18)])
    found = _LENGTH.search(data, 0, end)
    return end + 4 + (int(found[1]) if found else 0)


def _requests(wanted: Made | Given) -> Iterator[bytes]:
    if isinstance(wanted, Made):
        return endless(wanted)
    known = [text.encode("latin-1") for text in wanted.requests]
    return iter(known) if wanted.once else cycle(known)


def endless(wanted: Made) -> Iterator[bytes]:
    """Yield one request after another, each with keys of its own, for as long as somebody takes them."""
    holes = [b"%s" if slot == "key" else b"%012d" for slot in wanted.slots]
    pieces = [text.encode("latin-1").replace(b"%", b"%%") for text in wanted.pieces]
    form = b"".join(chain.from_iterable(zip(pieces, holes, strict=False))) + pieces[-1]
    keyed = [slot == "key" for slot in wanted.slots]
    for number, key in zip(range(wanted.most), _keys(), strict=False):
        yield form % tuple([key if one else number for one in keyed])


def _keys() -> Iterator[bytes]:
    """Yield random keys; chance is asked for many at once, which is what it costs."""
    while True:
        text = os.urandom(KEY_LENGTH // 2 * 256).hex().encode()
        yield from (text[at : at + KEY_LENGTH] for at in range(0, len(text), KEY_LENGTH))


def load(job: Job) -> Tally:
    """Run a job in a process of its own and return its tally."""
    return take_turns([job], 1)[0]


def take_turns(jobs: Sequence[Job], times: int) -> list[Tally]:
    """Run jobs in turns, all in one other process, and return their tallies."""
    run = msgspec.json.encode(Turns(list(jobs), times))
    ended = subprocess.run([sys.executable, "-m", "bench.loader"], input=run, stdout=subprocess.PIPE, check=False)
    if ended.returncode:
        raise RuntimeError("the load generator failed")
    return msgspec.json.decode(ended.stdout, type=list[Tally])


def main() -> None:
    """Read what to run, run it, tell the tallies."""
    run = msgspec.json.decode(sys.stdin.buffer.read(), type=Turns)
    loaders = [Loader(job) for job in run.jobs]
    for number in range(run.times):
        for one in loaders if number % 2 else reversed(loaders):
            one.run()
    sys.stdout.buffer.write(msgspec.json.encode([one.tally() for one in loaders]))


if __name__ == "__main__":
    main()
