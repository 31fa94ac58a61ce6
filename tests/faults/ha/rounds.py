"""One round: payments flow, a fault strikes, payments flow again; then every promise is looked up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.faults.ha import load
from tests.faults.ha.cluster import Cluster
from tests.faults.ha.faults import Fault
from tests.faults.ha.load import Load, Outcome

BEFORE_S, AFTER_S = 5.0, 3.0
SLOWEST_S = 15.0
"""Nobody waits longer for an answer, whatever it is."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round brought; `whole_s` is how long after the fault three members ran again."""

    fault: str
    outage_s: float
    outage_s_max: float
    promised: int
    lost: int
    doubled: int
    repeated: int  #: promises that took more than one call
    saved_before: int  #: of these, how many an earlier call had saved, though its client could not know
    answers: dict[str, int]
    slowest_s: float
    whole_s: float

    @property
    def complaints(self) -> list[str]:
        """Say what must not be."""
        strange = [said for said in self.answers if said not in set(Outcome) - {Outcome.WRONG}]
        found = [
            (self.lost, f"{self.lost} promised payments are lost"),
            (self.doubled, f"{self.doubled} payments too many"),
            (self.outage_s > self.outage_s_max, f"nothing was promised for {self.outage_s:.1f} s"),
            (self.slowest_s > SLOWEST_S, f"an answer took {self.slowest_s:.1f} s"),
            (strange, f"answers that must not be: {strange}"),
        ]
        return [text for wrong, text in found if wrong]

    def __str__(self) -> str:
        """Return the round as one line."""
        told = ", ".join(f"{count} {said}" for said, count in sorted(self.answers.items()))
        return (
            f"outage {self.outage_s:5.2f} s, promised {self.promised}, lost {self.lost}, too many {self.doubled}, "
            f"repeated {self.repeated} of which {self.saved_before} were saved, slowest answer {self.slowest_s} s, "
            f"whole after {self.whole_s} s, answers: {told}"
        )


def run_round(cluster: Cluster, fault: Fault, port: int, token: str, pace_s: float) -> Round:
    """Run one round against a whole cluster, and return when it is whole again."""
    before = set(_saved(cluster))
    work = Load(port, token, pace_s)
    work.start()
    time.sleep(BEFORE_S)
    primary, struck = cluster.primary(), time.monotonic()
    mend = fault.strike(cluster)
    if fault.moves:
        cluster.wait(lambda: cluster.has_moved(primary), "another primary")
    time.sleep(AFTER_S)
    cluster.wait(lambda: _flows(work), f"payments after {fault.name}")
    mend()
    cluster.wait(cluster.is_whole, "a whole cluster")
    whole_s = time.monotonic() - struck
    time.sleep(AFTER_S)
    work.stop()
    return _count(cluster, fault, work, before, whole_s)


def _flows(work: Load) -> bool:
    """Whether payments asked for within the last seconds are promised again, one after the other."""
    return work.acked_since(time.monotonic() - AFTER_S) > load.CLIENTS * AFTER_S * 2


def _count(cluster: Cluster, fault: Fault, work: Load, before: set[int], whole_s: float) -> Round:
    saved = {one: at for one, at in _saved(cluster).items() if one not in before}
    promised = [one for one in work.told if one.outcome is Outcome.ACKED]
    again = load.repeated(work.told)
    return Round(
        fault=fault.name,
        outage_s=round(load.outage(work.told), 2),
        outage_s_max=fault.outage_s_max,
        promised=len(promised),
        lost=sum(one.payment_id not in saved for one in promised),
        doubled=len(saved.keys() - {one.payment_id for one in promised}),
        repeated=len(again),
        saved_before=sum(saved.get(one.payment_id, one.sent_us) < one.sent_us for one in again),
        answers=dict(load.answers(work.told)),
        slowest_s=round(max(one.ended - one.began for one in work.told), 2),
        whole_s=round(whole_s, 1),
    )


def _saved(cluster: Cluster) -> dict[int, int]:
    """Return the payments that the primary has now and when each was made, asked on a line of our own."""
    rows = cluster.psql("SELECT payment_id, created_us FROM payments WHERE payment_id > 0")
    return {int(payment_id): int(at) for payment_id, at in rows}
