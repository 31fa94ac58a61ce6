"""Overload: five times what the server can do, one noisy merchant beside a quiet one, and how fast it recovers.

`python -m bench.overload` starts `opengiro serve` in a folder of its own and prints a table and JSON. The peak is
taken in a closed loop over 32 connections. The overload is an open loop: requests leave when their time has come,
whether or not others were answered, and a latency counts from that time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import select
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.databases import SqliteFile
from bench.figures import percentile
from bench.loader import Job, Made, answer_size, endless, load
from bench.site import Site
from bench.wire import creates

CONNECTIONS_MAX = 1500
"""So many may wait for an answer at a time; a request that finds none free counts as not sent."""

_PATIENCE_S = 10
_QUIET_PER_S = 16
_QUOTA_PER_S = 20


@dataclass(slots=True)
class Flood:
    """What an open loop saw. `timeline` holds, for each second, answers by kind and the slowest good one."""

    offered_per_s: float
    seconds: float
    good: int = 0
    shed: int = 0
    bare: int = 0  #: refused without Retry-After, which must not be
    other: Counter[str] = field(default_factory=Counter)
    unsent: int = 0
    lost: int = 0
    latencies: list[float] = field(default_factory=list)
    shed_latencies: list[float] = field(default_factory=list)
    timeline: dict[int, Counter[str]] = field(default_factory=dict)

    @property
    def goodput(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds

    def p99_ms(self) -> float | None:
        """The 99th percentile of the good answers."""
        return percentile(self.latencies, 0.99) * 1000 if self.latencies else None


class _Line:
    __slots__ = ("buffer", "due", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.buffer = b""


class OpenLoop:
    """Sends at a rate, come what may."""

    def __init__(self, port: int, requests: Made, rate: float, seconds: float, connections: int) -> None:
        """Open the connections first, so that the load begins at once."""
        self._requests = endless(requests)
        self._rate = rate
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._free: deque[_Line] = deque()
        self._port = port
        self.seen = Flood(rate, seconds)
        for _ in range(connections):
            self._free.append(self._open())
        time.sleep(1)  # until all are accepted, so that it is the requests that are measured

    def _open(self) -> _Line:
        line = _Line(self._port)
        self._lines[line.socket.fileno()] = line
        self._poll.register(line.socket, select.EPOLLIN)
        return line

    def run(self) -> Flood:
        """Send for the given time, then wait for what is still due."""
        begun = time.perf_counter()
        sent, ends = 0, begun + self.seen.seconds
        while (now := time.perf_counter()) < ends:
            owed = int((now - begun) * self._rate) - sent
            for number in range(owed):
                self._send(begun + (sent + number) / self._rate)
            sent += owed
            self._hear(begun, max(0.0, begun + (sent + 1) / self._rate - time.perf_counter()))
        late = time.perf_counter() + _PATIENCE_S
        while len(self._free) < len(self._lines) and time.perf_counter() < late:
            self._hear(begun, 0.1)
        self.seen.lost += len(self._lines) - len(self._free)
        return self.seen

    def _send(self, due: float) -> None:
        if not self._free:
            self.seen.unsent += 1
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
                self.seen.lost += 1
                self._poll.unregister(number)
                del self._lines[number]
                line.socket.close()
                continue
            line.buffer += data
            size = answer_size(line.buffer)
            if size is not None and len(line.buffer) >= size:
                self._note(line.buffer, line.due, begun)
                line.buffer = b""
                self._free.append(line)

    def _note(self, answer: bytes, due: float, begun: float) -> None:
        """Count an answer."""
        now = time.perf_counter()
        status, seen = answer[9:12].decode(), self.seen
        second = seen.timeline.setdefault(int(now - begun), Counter())
        if status < "300":
            seen.good += 1
            seen.latencies.append(now - due)
            second["good"] += 1
            second["slowest_ms"] = max(second["slowest_ms"], int((now - due) * 1000))
        elif status in {"429", "503"}:
            seen.shed += 1
            seen.shed_latencies.append(now - due)
            seen.bare += b"\r\nretry-after: " not in answer
            second["shed"] += 1
        else:
            seen.other[status] += 1


def flood(port: int, token: str, rate: float, seconds: float, connections: int = CONNECTIONS_MAX) -> Flood:
    """Run an open loop in this process."""
    return OpenLoop(port, creates(token), rate, seconds, connections).run()


def floods(*jobs: tuple[int, str, float, float, int]) -> list[Flood]:
    """Run open loops at the same time, each in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(len(jobs)) as pool:
        return pool.starmap(flood, jobs)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and a token for each of its two merchants."""

    port: int
    tokens: tuple[str, str]
    process: int

    def cpu_s(self) -> float:
        """Return the processor time it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(**settings: int) -> Iterator[Server]:
    """Serve from an empty folder, as an operator would."""
    with tempfile.TemporaryDirectory(prefix="opengiro-overload-") as name:
        database = SqliteFile(Path(name) / "data" / "opengiro.db")
        site = Site(Path(name), database, settings={name: str(value) for name, value in settings.items()})
        kites, boats = site.take_in("kites"), site.take_in("boats")
        with site.serving() as running:
            yield Server(running.port, (running.grant(kites), running.grant(boats)), running.process.pid)


def overloaded(server: Server, seconds: float, factor: float) -> dict[str, Any]:
    """Find the peak, offer a multiple of it, and watch the server come back."""
    own = server.tokens[0]
    before = server.cpu_s()
    tallies = [load(Job(server.port, creates(own), connections=32, seconds=seconds / 2)) for _ in range(3)]
    peaks = [one.rate for one in tallies]
    peak, cost = median(peaks), (server.cpu_s() - before) / sum(one.acknowledged for one in tallies)
    calm = flood(server.port, own, peak / 2, seconds / 2, 200)
    before = server.cpu_s()
    storm = flood(server.port, own, peak * factor, seconds)
    storm_cost = (server.cpu_s() - before) / max(1, storm.good)
    after = flood(server.port, own, peak / 2, seconds, 200)
    return {
        "peak_per_s": round(peak),
        "peaks": [round(one) for one in peaks],
        "offered_per_s": round(peak * factor),
        "goodput_per_s": round(storm.goodput),
        "goodput_share": round(storm.goodput / peak, 3),
        "goodput_share_of_cpu": round(cost / storm_cost, 3),  # what it would be if nobody else used the machine
        "create_cpu_us": round(cost * 1e6),
        "shed_cpu_us": round((storm_cost - cost) * storm.good / max(1, storm.shed) * 1e6),
        "shed": storm.shed,
        "shed_share": round(storm.shed / max(1, storm.shed + storm.good), 3),
        "refused_without_retry_after": storm.bare,
        "other_statuses": dict(storm.other),
        "unsent": storm.unsent,
        "lost": storm.lost,
        "p99_good_ms": storm.p99_ms(),
        "p99_shed_ms": percentile(storm.shed_latencies, 0.99) * 1000 if storm.shed_latencies else None,
        "recovered_after_s": _recovered(after),
        "half_load_p99_before_ms": calm.p99_ms(),
        "half_load_p99_after_ms": after.p99_ms(),
    }


def _recovered(after: Flood) -> int | None:
    """Return from which second on everything offered was answered well; None when that never came."""
    bad = [second for second, seen in after.timeline.items() if seen["shed"]]
    first = max(bad, default=-1) + 1
    return first if first < after.seconds else None


def neighbours(server: Server, seconds: float, factor: float) -> dict[str, Any]:
    """Compare a quiet merchant's p99 alone and beside one that asks for a multiple of its quota."""
    quiet = (server.port, server.tokens[1], _QUIET_PER_S, seconds, 50)
    noisy = (server.port, server.tokens[0], _QUOTA_PER_S * factor, seconds, 200)
    rounds = [(floods(quiet)[0], *floods(quiet, noisy)) for _ in range(3)]
    alone, beside = ([one[at].p99_ms() or 0.0 for one in rounds] for at in (0, 1))
    return {
        "quota_per_s": _QUOTA_PER_S,
        "noisy_per_s": noisy[2],
        "noisy_shed": sum(one[2].shed for one in rounds),
        "noisy_good": sum(one[2].good for one in rounds),
        "quiet_refused": sum(one[1].shed for one in rounds),
        "alone_p99_ms": alone,
        "beside_p99_ms": beside,
        "ratio": round(median(beside) / median(alone), 2) if median(alone) else None,
    }


def main() -> None:
    """Run both and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--factor", type=float, default=5)
    parser.add_argument("--only", choices=["overload", "neighbours"])
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.only != "neighbours":
        with serving() as server:
            found["overload"] = overloaded(server, options.seconds, options.factor)
    if options.only != "overload":
        with serving(writes_per_s=_QUOTA_PER_S, reads_per_s=_QUOTA_PER_S) as server:
            found["neighbours"] = neighbours(server, options.seconds, 100)
    for name, values in found.items():
        print(name)  # noqa: T201
        for key, value in values.items():
            print(f"  {key:30} {value}")  # noqa: T201
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
