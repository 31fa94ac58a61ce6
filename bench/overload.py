"""Overload: five times what the server can do, how fast it recovers, and one noisy merchant beside a quiet one.

`python -m bench.overload` starts `opengiro serve` on each engine and prints a table and JSON. Server and database have
all processors but one, and whatever sends has that one, in every measurement alike: senders are other machines in
life, and here would take from the server the more the more they send. For the same reason the sender of an overload
spins: to wake one that sleeps costs the server more than to write an answer. Each round takes the peak, the overload
and the time after it in turn, and shares are taken round by round.

With `--proxy` everything goes through one worker of nginx, with the file that we ship but without TLS. It has the
server's processors, and what it takes of them counts as the server's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.flood import CONNECTIONS_MAX, Heard, Wave, floods
from bench.loader import Job, Tally, load
from bench.places import Place, PostgresPlace, SqlitePlace
from bench.site import Running, Site
from bench.wire import creates
from tests.nginx import Proxy, proxying

_AT_ONCE = 64
"""So many new requests a process works on at once."""
_PEAK_CONNECTIONS = (32, _AT_ONCE)
"""The peak is the better of these."""
_CALM_CONNECTIONS = 200
_QUIET_PER_S = 100
_QUOTA_PER_S = 150
BESIDE, APART = "beside", "apart"
"""Where nginx runs: on the server's processors, in the scheduling class `batch`, or on those of whoever sends."""
_CALM, _CALM_S = 0.5, 30
"""The load after an overload, as a share of the peak, and how long the server is watched under it, twice: what is
refused in the second of these half minutes is not the overload's doing."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which processors serve, and which send."""

    serving: frozenset[int]
    sending: frozenset[int]

    @classmethod
    def apart(cls) -> Cores:
        """Keep one for those who send; a machine with a single one has to share it."""
        *others, last = sorted(os.sched_getaffinity(0))
        return cls(frozenset(others or [last]), frozenset([last]))


@contextlib.contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Start on these processors whatever is started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and a token for each of its two merchants."""

    running: Running
    tokens: tuple[str, str]
    spin: bool  #: whether senders spin
    proxy: Proxy | None  #: what stands in front
    own: Sequence[Running | Proxy]  #: what uses the server's processors

    @property
    def port(self) -> int:
        """Where to send."""
        return self.proxy.port if self.proxy else self.running.port

    def wave(self, per_s: float, seconds: float, merchant: int = 0, connections: int = CONNECTIONS_MAX) -> Wave:
        """Return a wave of payments of one merchant."""
        return Wave(self.port, self.tokens[merchant], per_s, seconds, connections, self.spin)

    def peak(self, seconds: float) -> list[Tally]:
        """Ask for the next whenever one is answered, and so never for more than it can do."""
        made = creates(self.tokens[0])
        jobs = [Job(self.port, made, width, seconds=seconds, spin=self.spin) for width in _PEAK_CONNECTIONS]
        return [load(job) for job in jobs]

    def cpu_s(self) -> float:
        """Return the processor time of its processes, and of a proxy beside it; a database server counts for itself."""
        ticks = 0
        for pid in [pid for one in self.own for pid in one.pids()]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(
    site: Site, neighbour: dict[str, Any], cores: Cores, given: argparse.Namespace, *, alone: bool, **settings: int
) -> Iterator[Server]:
    """Serve a site, as an operator would; a sender that is `alone` spins where nothing else needs its processor."""
    site.settings = {name: str(value) for name, value in settings.items()}
    spin = alone and given.proxy != APART and cores.serving != cores.sending
    with site.serving() as running, _before(running, cores, given) as proxy:
        own: list[Running | Proxy] = [running, proxy] if proxy and given.proxy == BESIDE else [running]
        yield Server(running, (running.grant(site.merchant), running.grant(neighbour)), spin, proxy, own)


@contextlib.contextmanager
def _before(running: Running, cores: Cores, given: argparse.Namespace) -> Iterator[Proxy | None]:
    """Put nginx before a server, if it should be there: beside it, or as if on a machine of its own."""
    if not given.proxy:
        yield None
        return
    site, its = running.site, cores.serving if given.proxy == BESIDE else cores.sending
    room, batch = _AT_ONCE * site.web_processes, given.proxy == BESIDE
    with on(its), proxying(site.folder / "nginx", site.port, room=room, batch=batch) as proxy:
        yield proxy


@dataclass(slots=True)
class Rounds:
    """What the rounds found, by name."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **values: float) -> None:
        """Add a round."""
        for name, value in values.items():
            self.found.setdefault(name, []).append(value)

    def told(self) -> dict[str, Any]:
        """Return each as its median, with the rounds it was taken from."""
        return {name: {"median": median(values), "rounds": values} for name, values in self.found.items()}


def overloaded(server: Server, given: argparse.Namespace) -> dict[str, Any]:
    """Take the peak, offer a multiple of it, and watch the server come back."""
    found = Rounds()
    server.peak(1)  # what is done for the first time is done slowly
    for _ in range(given.rounds):
        _overload(server, found, given.seconds, given.factor)
    return found.told()


def _overload(server: Server, found: Rounds, seconds: float, factor: float) -> None:
    """Take one round."""
    before = server.cpu_s()
    peaks = server.peak(seconds / 2)
    between = server.cpu_s()
    peak = max(peaks, key=lambda one: one.rate)
    (storm,) = floods([server.wave(peak.rate * factor, seconds)])
    after = server.cpu_s()
    (calm,) = floods([server.wave(peak.rate * _CALM, 2 * _CALM_S, connections=_CALM_CONNECTIONS)])
    create_us = (between - before) / sum(one.acknowledged for one in peaks) * 1e6
    shed_us = ((after - between) * 1e6 - create_us * storm.good) / max(1, storm.shed)
    calm_from = calm.calm_from()
    found.note(peak_per_s=peak.rate, offered_per_s=storm.offered_per_s, goodput_per_s=storm.per_s)
    found.note(goodput_to_peak=storm.per_s / peak.rate, p99_to_peak=storm.ms(0.99) / peak.p99_ms)
    found.note(p50_ms_at_peak=peak.p50_ms, p99_ms_at_peak=peak.p99_ms)
    found.note(p50_ms_overloaded=storm.ms(0.5), p99_ms_overloaded=storm.ms(0.99), p99_ms_refused=storm.shed_ms(0.99))
    found.note(recovered_after_s=math.inf if calm_from is None else calm_from, p99_ms_after=calm.ms(0.99))
    found.note(refused_after=calm.refused_share(0, _CALM_S), refused_later=calm.refused_share(_CALM_S, 2 * _CALM_S))
    found.note(create_cpu_us=create_us, shed_cpu_us=shed_us)
    found.note(shed=storm.shed, **_faults(storm))


def neighbours(server: Server, given: argparse.Namespace) -> dict[str, Any]:
    """Compare what a quiet merchant waits: alone, beside one that keeps to its quota, beside one that does not.

    They come in turn, in another order each round, and medians over rounds are compared: a machine is faster at one
    time than at another, and a second in which it stands still would decide any p99 over all.
    """
    found = Rounds()
    server.peak(1)
    quiet = server.wave(_QUIET_PER_S, given.seconds, merchant=1, connections=50)
    rates = {"alone": 0, "beside_quota": _QUOTA_PER_S, "beside": _QUOTA_PER_S * given.factor}
    turns = deque(rates)
    for _ in range(given.rounds):
        turns.rotate()
        for name in turns:
            noise = [server.wave(rates[name], given.seconds, connections=200)] if rates[name] else []
            heard, *others = floods([quiet, *noise])
            found.note(**{f"p50_ms_{name}": heard.ms(0.5), f"p99_ms_{name}": heard.ms(0.99)})
            found.note(quiet_refused=heard.shed, **_faults(heard))
            for noisy in others:
                found.note(**{f"good_per_s_{name}": noisy.per_s}, **_faults(noisy))
    p99 = {name: median(found.found[f"p99_ms_{name}"]) for name in rates}
    found.note(p99_to_alone=p99["beside"] / p99["alone"], p99_to_quota=p99["beside"] / p99["beside_quota"])
    return found.told()


def _faults(heard: Heard) -> dict[str, float]:
    """What should be nothing. Who finds no connection free was not refused early."""
    other = heard.other.total()
    return {"unsent": heard.unsent, "lost": heard.lost, "without_retry_after": heard.bare, "other_statuses": other}


SCENARIOS: dict[str, tuple[Any, dict[str, int]]] = {
    "overload": (overloaded, {}),
    "neighbours": (neighbours, {"writes_per_s": _QUOTA_PER_S, "reads_per_s": _QUOTA_PER_S}),
}
_ALONE = "overload"
"""Where one sends at a time, and may spin."""


def main() -> None:
    """Run on each engine and print what was found."""
    given = _arguments()
    cores, told = Cores.apart(), {}
    with tempfile.TemporaryDirectory(prefix="opengiro-overload-", dir=given.folder) as name:
        Path(name).chmod(0o755)  # a database server that may not be root has to get in
        for engine in given.engine:
            with on(cores.serving), _place(engine, Path(name), given.web_processes) as place:
                neighbour = place.seed.take_in("boats")
                told[engine] = {one: _run(one, place.seed, neighbour, cores, given) for one in given.only}
    sys.stdout.write(json.dumps(told) + "\n")


def _run(name: str, site: Site, neighbour: dict[str, Any], cores: Cores, given: argparse.Namespace) -> dict[str, Any]:
    scenario, settings = SCENARIOS[name]
    with serving(site, neighbour, cores, given, alone=name == _ALONE, **settings) as server, on(cores.sending):
        found: dict[str, Any] = scenario(server, given)
    sys.stdout.write(f"{site.database.kind}: {name}\n")
    for key, values in found.items():
        rounds = " ".join(f"{value:.5g}" for value in values["rounds"])
        sys.stdout.write(f"  {key:24} {values['median']:8.5g}   {rounds}\n")
    sys.stdout.flush()
    return found


@contextlib.contextmanager
def _place(engine: str, folder: Path, web_processes: int) -> Iterator[Place]:
    """Start an engine, with the schema and one merchant in it."""
    with contextlib.ExitStack() as stack:
        place: Place = SqlitePlace(folder, web_processes)
        if engine == "postgres":
            place = stack.enter_context(PostgresPlace(folder, web_processes))
        place.settle_in([{"connector": "test_bank"}])
        yield place


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--engine", nargs="+", choices=("postgres", "sqlite"), default=["postgres", "sqlite"])
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--web-processes", type=int, default=1, help="serve --workers")
    parser.add_argument("--proxy", choices=(BESIDE, APART), help="put nginx in front, with the file that we ship")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="how long each overload takes")
    parser.add_argument("--factor", type=float, default=5, help="so many times the peak, or the quota")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where databases are made: a real disk")  # noqa: S108
    return parser.parse_args()


if __name__ == "__main__":
    main()
