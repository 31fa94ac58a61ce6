"""Creating payments over HTTP beside the database's own tools that write the same rows.

Every round takes all contestants in turn, so what disturbs the machine for a moment disturbs them alike. In the end
the rows are counted: as many payments as were acknowledged, no more and no less.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from bench.databases import PostgresDatabase
from bench.figures import Figure
from bench.loader import Job, load
from bench.places import NAMES, Place, twin
from bench.plan import Scene
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

    def round(self, scene: Scene, connections: int) -> None:
        """Measure both, one after the other."""
        kind, plan = self.place.kind, scene.plan
        job = Job(self.running.port, creates(self.running.token), connections, seconds=plan.seconds)
        tally = load(job)
        self.acknowledged += tally.acknowledged
        width = f"{connections} connection{'s' if connections > 1 else ''}"
        group = f"creating payments on {NAMES[kind]}"
        scene.note(f"{kind}.create.{connections}", Figure(group, f"OpenGiro over HTTP, {width}", "/s"), tally)
        if self.rival is None:
            return
        written = self.rival.run(connections, plan.seconds)
        what = width if kind == "postgres" else f"batches of {connections}"
        line = Figure(group, f"{self.rival.name}, {what}", "/s")
        scene.results.note(f"{kind}.rival.{connections}", line, written.rate)

    def prove(self) -> None:
        """Raise `LostPayments` unless every acknowledged payment is in the database, and nothing else."""
        ((found,),) = self.running.site.database.rows("SELECT COUNT(*) FROM payments")
        if found - self.written != self.acknowledged:
            text = (
                f"{self.place.kind}: {self.acknowledged} payments were acknowledged, {found - self.written} are saved"
            )
            raise LostPayments(text)


def create(scene: Scene) -> None:
    """Measure creates on every engine at 1, 8 and 32 connections."""
    with contextlib.ExitStack() as stack:
        contests = [stack.enter_context(contest(scene, place)) for place in scene.places]
        for one in contests:
            one.warm_up()
        for number in range(scene.plan.rounds):
            for connections in CONNECTIONS:
                for one in contests:
                    one.round(scene, connections)
            scene.tell(f"creates: round {number + 1} of {scene.plan.rounds}")
        for one in contests:
            one.prove()


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
