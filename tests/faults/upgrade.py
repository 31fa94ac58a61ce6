"""An upgrade without standing still: two versions of the code serve at once from one database, while shops pay.

`python -m tests.faults.upgrade <commit>`, in a clone with history, does it from that commit's code to this one's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx2
import typer

from tests.faults.fleet import INSTALLED, Fleet, Machine, fleet, until
from tests.faults.receiver import Receiver, listening
from tests.faults.traffic import Door, Doors, Paid, Told, Traffic, agreed

OLD, NEW = "old", "new"
_ROOT = Path(__file__).parents[2]
_UNSETTLED = "SELECT COUNT(*) FROM deliveries WHERE stage <> 'delivered'"
_MOVES = "SELECT payment_id, MAX(ordinal) FROM moves WHERE payment_id > 0 GROUP BY payment_id"
_QUARANTINE_S = 120


@dataclass(frozen=True, slots=True)
class Version:
    """The code of one version: the folder its packages lie in, or none for the one that is installed."""

    name: str
    source: Path | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a process run it."""
        return {"PYTHONPATH": str(self.source)} if self.source else INSTALLED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an upgrade brought."""

    told: list[Told]
    paid: list[Paid]
    wrong: list[str]  #: answers that must not be, and what the versions say differently
    lost: list[int]  #: payments acknowledged and not there, or not done
    unheard: list[str]  #: payments whose events did not all arrive, each once and in their order
    applied: Mapping[str, list[str]]  #: files by step
    refused: str  #: what the version before says when it is started after the last step

    def statuses(self) -> Counter[tuple[str, int]]:
        """Count the answers of each version by their status."""
        return Counter((one.version, one.status) for one in self.told)

    def readers(self) -> Counter[tuple[str, str]]:
        """Count the payments by the version that made them and the one that read them right afterwards."""
        return Counter((one.made_by, one.read_by) for one in self.paid)


@dataclass(slots=True)
class Upgrade:
    """One database on its way from a version to the next, with shops that never stop paying."""

    ours: Fleet
    old: Version
    new: Version
    shop: Receiver
    each: int  #: payments between one step and the next
    doors: Doors = field(default_factory=Doors)
    _started: int = 0
    _applied: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> Outcome:
        """Tell the story from its first server to its last."""
        first, second = self._open(self.old), self._open(self.old)
        self._subscribe(first.machine)
        traffic = Traffic(self.doors, self.ours.token(first.machine))
        traffic.start()
        try:
            with self._stage(traffic, "the version before serves alone"):
                pass
            with self._stage(traffic, "the new schema comes under it"):
                self._migrate("--pre")
            with self._stage(traffic, "the new version comes beside it"):
                third = self._open(self.new)
            with self._stage(traffic, "second thoughts: the version before serves alone on the new schema"):
                self._close(third)
            with self._stage(traffic, "one machine after another is replaced"):
                third = self._open(self.new)
                self._close(first)
            with self._stage(traffic, "the new version serves alone"):
                self._open(self.new)
                self._close(second)
            with self._stage(traffic, "the old schema goes"):
                self._migrate("--post")
        finally:
            traffic.stop()
        return self._sum_up(traffic, third.machine)

    @contextlib.contextmanager
    def _stage(self, traffic: Traffic, name: str) -> Iterator[None]:
        """Do something under load, then let shops pay for a while."""
        traffic.stage = name
        yield
        traffic.more(self.each)

    def _open(self, version: Version) -> Door:
        self._started += 1
        machine = self.ours.start(f"{version.name}{self._started}", "serve", environment=version.environment)
        return self.doors.add(machine, version.name)

    def _close(self, door: Door) -> None:
        """Stop a machine as a load balancer and a service manager do together."""
        self.doors.close(door)
        ended = door.machine.end()
        if ended or "Traceback" in door.machine.said:
            raise RuntimeError(f"it ended with {ended}: {door.machine.said}")

    def _migrate(self, step: str) -> None:
        site = self.ours.site(f"operator{step}")
        done = self.ours.run(site, "migrate", step, environment=self.new.environment)
        if done.returncode:
            raise RuntimeError(done.stderr + done.stdout)
        lines = done.stdout.splitlines()
        self._applied[step] = [one.removeprefix("Applied ").rstrip(".") for one in lines if one.startswith("Applied")]

    def _subscribe(self, machine: Machine) -> None:
        hook = {"url": self.shop.url, "event": "PAYMENT_STATE_UPDATED"}
        answer = machine.call("POST", "/2.0/webhooks", self.ours.merchant["config_token"], hook)
        if answer.status_code >= 300:
            raise RuntimeError(answer.text)

    def _sum_up(self, traffic: Traffic, machine: Machine) -> Outcome:
        token = self.ours.token(machine)
        with httpx2.Client(base_url=machine.url, headers={"authorization": f"Bearer {token}"}, trust_env=False) as http:
            lost = [one.answer["id"] for one in traffic.paid if not _is_done(http, one)]
        with contextlib.suppress(TimeoutError):
            until(lambda: self.ours.database.sql(_UNSETTLED, "fleet") == "0", _QUARANTINE_S)
        late = self.ours.run(self.ours.site("late"), "serve", environment=self.old.environment)
        return Outcome(
            told=traffic.told,
            paid=traffic.paid,
            wrong=traffic.wrong,
            lost=lost,
            unheard=list(self._unheard(traffic.paid)),
            applied=self._applied,
            refused=late.stderr,
        )

    def _unheard(self, paid: list[Paid]) -> Iterator[str]:
        rows = [line.split("|") for line in self.ours.database.sql(_MOVES, "fleet").splitlines()]
        events = {int(payment_id): int(last) for payment_id, last in rows}
        heard: dict[int, dict[str, int]] = defaultdict(dict)
        for message_id, body in self.shop.arrived:
            event = json.loads(body)
            heard[event["id"]].setdefault(message_id, event["sequence"])
        for one in paid:
            payment_id = one.answer["id"]
            if (told := list(heard[payment_id].values())) != list(range(1, events[payment_id] + 1)):
                yield f"{payment_id} of {events[payment_id]} events: {told}"


def _is_done(http: httpx2.Client, one: Paid) -> bool:
    """Whether it comes to its end, and is the one that was promised."""
    path = f"/2.0/payments/{one.answer['id']}"
    with contextlib.suppress(TimeoutError):
        found = until(lambda: (read := http.get(path).json()).get("state") == "done" and read)
        return agreed(found) == agreed(one.answer)
    return False


def upgrade(folder: Path, old: Version, new: Version, each: int) -> Outcome:
    """Make a house with the old version, and upgrade it while shops pay."""
    with fleet(folder, old.environment) as ours, listening() as shop:
        return Upgrade(ours, old, new, shop, each).run()


def from_history(commit: str, folder: Path) -> Version:
    """Return the version of a commit, unpacked into a folder."""
    packed = subprocess.run(["git", "archive", commit, "src"], cwd=_ROOT, capture_output=True, check=True).stdout  # noqa: S607
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return Version(OLD, folder / "src")


def main() -> int:
    """Upgrade from a commit to what is installed, and print what it brought."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.upgrade", description=__doc__)
    parser.add_argument("commit", help="whose code serves first")
    parser.add_argument("--each", type=int, default=200, help="payments between one step and the next")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for name in ("old", "fleet"):
            (Path(place) / name).mkdir()
        old = from_history(asked.commit, Path(place) / "old")
        outcome = upgrade(Path(place) / "fleet", old, Version(NEW), asked.each)
    for line in _report(outcome):
        typer.echo(line)
    return 1 if outcome.wrong or outcome.lost or outcome.unheard else 0


def _report(outcome: Outcome) -> Iterator[str]:
    for step, names in outcome.applied.items():
        yield f"{step}: {', '.join(names) or 'nothing'}"
    stages = list(dict.fromkeys(one.stage for one in outcome.told))
    for stage in stages:
        took = sorted(one.took_s for one in outcome.told if one.stage == stage and one.name == "create")
        middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
        yield f"{len(took):>5} creates, {middle * 1000:4.0f} ms half, {late * 1000:4.0f} ms 99 of 100: {stage}"
    yield f"answers: {dict(outcome.statuses())}"
    yield f"made and read by: {dict(outcome.readers())}"
    yield f"{len(outcome.paid)} payments, {len(outcome.lost)} lost, {len(outcome.unheard)} not heard of in full"
    yield from (*outcome.wrong, *outcome.unheard)
    yield f"the version before, started afterwards: {outcome.refused.strip()}"


if __name__ == "__main__":
    sys.exit(main())
