"""Creating payments over HTTP beside the database's own tools that write the same rows.

Every round takes all contestants in turn, the engines in turns of a fraction of a second, so what disturbs the machine
for a moment disturbs them alike. In the end the rows are counted: as many payments as were acknowledged, no more and
no less.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.databases import PostgresDatabase
from bench.figures import Figure
from bench.loader import Job, Tally, load, take_turns
from bench.places import NAMES, Place, twin
from bench.plan import SLICE_S, WARM_S, Scene
from bench.rivals import Loop, Pgbench
from bench.rows import Model, counts, gained, models, prove_complete
from bench.site import Running
from bench.wire import PAYMENT, creates

CONNECTIONS = (1, 8, 32)


class LostPayments(Exception):  # the one thing that must not be
    """A database does not hold the payments that were acknowledged."""


@dataclass(slots=True)
class Contest:
    """A server on an engine, and the rival in a twin of its database."""

    place: Place
    running: Running
    rival: Pgbench | Loop | None  #: None where its program is missing
    written: int  #: payments in the database before the first round
    acknowledged: int = 0

    def warm_up(self, seconds: float = 1.0) -> None:
        """Write without measuring, and let the database learn what its tables are like.

        A server's autovacuum does so within a minute. Until then its planner guesses, for foreign keys as well.
        """
        tally = load(Job(self.running.port, creates(self.running.token), CONNECTIONS[-1], seconds=seconds))
        self.acknowledged += tally.acknowledged
        self.running.site.database.tidy()
        if self.rival:
            self.rival.run(CONNECTIONS[-1], seconds)
            self.rival.database.tidy()

    def job(self, connections: int) -> Job:
        """Return the load of one turn."""
        return Job(self.running.port, creates(self.running.token), connections, WARM_S, SLICE_S)

    def note(self, scene: Scene, connections: int, tally: Tally) -> None:
        """Keep what a round of turns came to."""
        self.acknowledged += tally.acknowledged
        line = Figure(self._group, f"OpenGiro over HTTP, {_width(connections)}", "/s")
        scene.note(f"{self.place.kind}.create.{connections}", line, tally)

    def compete(self, scene: Scene, connections: int) -> None:
        """Measure the rival."""
        if self.rival is None:
            return
        written = self.rival.run(connections, scene.plan.seconds)
        what = _width(connections) if self.place.kind == "postgres" else f"batches of {connections}"
        line = Figure(self._group, f"{self.rival.name}, {what}", "/s")
        scene.results.note(f"{self.place.kind}.rival.{connections}", line, written.rate)

    def prove(self) -> None:
        """Raise `LostPayments` unless every acknowledged payment is in the database, and nothing else."""
        ((found,),) = self.running.site.database.rows("SELECT COUNT(*) FROM payments")
        if found - self.written != self.acknowledged:
            text = (
                f"{self.place.kind}: {self.acknowledged} payments were acknowledged, {found - self.written} are saved"
            )
            raise LostPayments(text)

    @property
    def _group(self) -> str:
        return f"creating payments on {NAMES[self.place.kind]}"


def create(scene: Scene) -> None:
    """Measure creates on every engine at 1, 8 and 32 connections."""
    with contextlib.ExitStack() as stack:
        contests = [stack.enter_context(contest(scene, place)) for place in scene.places]
        for one in contests:
            one.warm_up()
        for number in range(scene.plan.rounds):
            for connections in CONNECTIONS:
                take_round(scene, contests, connections)
            scene.tell(f"creates: round {number + 1} of {scene.plan.rounds}")
        for one in contests:
            one.prove()


def take_round(scene: Scene, contests: Sequence[Contest], connections: int) -> None:
    """Measure the servers in turns, then each rival."""
    tallies = take_turns([one.job(connections) for one in contests], scene.plan.turns)
    for one, tally in zip(contests, tallies, strict=True):
        one.note(scene, connections, tally)
    for one in contests:
        one.compete(scene, connections)


@contextlib.contextmanager
def contest(scene: Scene, place: Place) -> Iterator[Contest]:
    """Serve a twin of the seeded site, and show the rival which rows one payment is made of."""
    site = twin(place, "create")
    with site.serving() as running:
        running.token  # noqa: B018  # asked for now, so that its row is not taken for one of a payment
        before = counts(site.database)
        made = running.call("POST", "/payments", PAYMENT, idempotency_key="f" * 32)
        after = counts(site.database)
        rows = models(site.database, site.merchant_id, int(made["id"]))
        prove_complete(gained(before, after), rows)
        yield Contest(place, running, _rival(scene, place, rows), after["payments"])


def _rival(scene: Scene, place: Place, rows: list[Model]) -> Pgbench | Loop | None:
    """Return the rival, knowing its rows; None, and why, where its program is missing."""
    database = place.database("rival")
    rival = Pgbench(database, scene.root) if isinstance(database, PostgresDatabase) else Loop(database, scene.root)
    try:
        rival.learn(rows)
    except FileNotFoundError as missing:
        scene.results.absences[f"{place.kind}.rival"] = f"{missing} is missing"
        return None
    return rival


def _width(connections: int) -> str:
    return f"{connections} connection{'s' if connections > 1 else ''}"
