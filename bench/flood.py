"""An open loop: requests leave when their time has come, whatever became of others, and a latency counts from then.

A closed loop slows down with the server it measures, which hides what callers see who do not wait for each other.
"""

from __future__ import annotations

import multiprocessing
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.figures import percentile
from bench.loader import answer_size, endless
from bench.wire import creates

CONNECTIONS_MAX = 1500
"""So many may wait for an answer at a time; a request that finds none free counts as not sent."""

_RETRY_AFTER = (b"retry-after", b"Retry-After")
"""As the server and nginx write it."""
_PATIENCE_S = 10
_SETTLE_S = 1
_QUIET, _QUIET_S = 0.01, 5
"""A server is well when it refuses no more than such a share for so long: a disk that hesitates may cost a second."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What one merchant sends: payments at a rate for some seconds."""

    port: int
    token: str
    per_s: float
    seconds: float
    connections: int = CONNECTIONS_MAX
    spin: bool = False  #: look for answers without sleeping, which takes a whole processor and needs no waking


@dataclass(slots=True)
class Heard:
    """What came of a wave. `answered` and `refused` count by the second in which the answer came."""

    seconds: float  #: how long it was sent
    good: int = 0
    shed: int = 0
    bare: int = 0  #: refused without Retry-After, which must not be
    other: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    lost: int = 0
    latencies: list[float] = field(default_factory=list)
    shed_latencies: list[float] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)

    @property
    def offered_per_s(self) -> float:
        """Requests that were due a second; fewer than were asked for say that the sender could not keep up."""
        return (self.good + self.shed + self.other.total() + self.unsent + self.lost) / self.seconds

    @property
    def per_s(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds

    def ms(self, share: float) -> float:
        """Return a percentile of the latencies of good answers; 0 where there is none."""
        return percentile(self.latencies, share) * 1000 if self.latencies else 0.0

    def shed_ms(self, share: float) -> float:
        """Return a percentile of the latencies of refusals."""
        return percentile(self.shed_latencies, share) * 1000 if self.shed_latencies else 0.0

    def calm_from(self) -> int | None:
        """Return the first of five seconds in a row that were well, in which hardly anything was refused, or None."""
        well = [bool(self.answered[at]) and self.refused_share(at, at + 1) <= _QUIET for at in range(int(self.seconds))]
        return next((at for at in range(len(well) - _QUIET_S + 1) if all(well[at : at + _QUIET_S])), None)

    def refused_share(self, first: int, end: int) -> float:
        """Return the share of refusals among the answers of some seconds; 0 where there is none."""
        refused = sum(self.refused[at] for at in range(first, end))
        return refused / max(1, refused + sum(self.answered[at] for at in range(first, end)))


class _Line:
    __slots__ = ("buffer", "due", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.buffer = b""


class OpenLoop:
    """Sends at a rate, come what may."""

    def __init__(self, wave: Wave) -> None:
        """Open the connections first, so that the load begins at once."""
        self._wave = wave
        self._requests = endless(creates(wave.token))
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._free: deque[_Line] = deque()
        self._heard = Heard(wave.seconds)
        self.patience_s: float = _PATIENCE_S  #: how long to wait for what is due in the end
        for _ in range(wave.connections):
            line = _Line(wave.port)
            self._lines[line.socket.fileno()] = line
            self._poll.register(line.socket, select.EPOLLIN)
            self._free.append(line)
        time.sleep(_SETTLE_S)  # until all are accepted, so that it is the requests that are measured

    def run(self) -> Heard:
        """Send all that is due in the given time, however long that takes, then wait for what is still to come."""
        clock, rate, heard = time.perf_counter, self._wave.per_s, self._heard
        begun, sent, total = clock(), 0, int(rate * self._wave.seconds)
        while sent < total:
            due = min(total, int((clock() - begun) * rate) + 1)
            for number in range(sent, due):
                self._send(begun + number / rate)
            sent = due
            self._hear(begun, 0.0 if self._wave.spin else max(0.0, begun + sent / rate - clock()))
        heard.seconds = clock() - begun
        late = clock() + self.patience_s
        while len(self._free) < len(self._lines) and clock() < late:
            self._hear(begun, 0.1)
        heard.lost += len(self._lines) - len(self._free)
        return heard

    def _send(self, due: float) -> None:
        if not self._free:
            self._heard.unsent += 1
            return
        line = self._free.popleft()
        line.due = due
        line.socket.sendall(next(self._requests))

    def _hear(self, begun: float, patience_s: float) -> None:
        for number, _ in self._poll.poll(patience_s):
            line = self._lines[number]
            try:
                data = line.socket.recv(65_536)
            except OSError:
                data = b""
            if not data:
                self._lose(number)
                continue
            line.buffer += data
            size = answer_size(line.buffer)
            if size is not None and len(line.buffer) >= size:
                self._note(line.buffer, line.due, begun)
                line.buffer = b""
                self._free.append(line)

    def _lose(self, number: int) -> None:
        """Count a connection that the server closed while it was to answer, and do without it."""
        line = self._lines.pop(number)
        if line in self._free:  # it was idle, and nobody loses by that
            self._free.remove(line)
        else:
            self._heard.lost += 1
        self._poll.unregister(number)
        line.socket.close()

    def _note(self, answer: bytes, due: float, begun: float) -> None:
        """Count an answer."""
        now, status, heard = time.perf_counter(), answer[9:12], self._heard
        if status < b"300":
            heard.good += 1
            heard.answered[int(now - begun)] += 1
            heard.latencies.append(now - due)
        elif status in {b"429", b"503"}:
            heard.shed += 1
            heard.shed_latencies.append(now - due)
            heard.bare += not any(b"\r\n%s: " % name in answer for name in _RETRY_AFTER)
            heard.refused[int(now - begun)] += 1
        else:
            heard.other[status.decode()] += 1


def flood(wave: Wave) -> Heard:
    """Run an open loop in this process."""
    return OpenLoop(wave).run()


def floods(waves: Sequence[Wave]) -> list[Heard]:
    """Run open loops at the same time, each in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(len(waves)) as pool:
        return pool.map(flood, waves, chunksize=1)
