"""Both standbys freeze, so no commit can be confirmed, and clients hang up: nothing is promised and nothing is cut."""

from __future__ import annotations

import contextlib
import time
import uuid
from dataclasses import dataclass

from tests.faults.ha.cluster import NODES, Cluster
from tests.faults.ha.load import CLIENTS, Caller, Outcome, Told

FROZEN_S = 4.0  # less than wal_sender_timeout, after which the primary would give the standbys up
_CUT = "canceling wait|canceling statement due to user request"


@dataclass(frozen=True, slots=True)
class Freeze:
    """What it brought: `seen` payments showed themselves before a standby had them, `cut` commits were cancelled."""

    asked: int
    promised_meanwhile: int
    seen: int
    cut: int
    doubled: int
    lost: int

    @property
    def complaints(self) -> list[str]:
        """Say what must not be."""
        found = {name: getattr(self, name) for name in ("promised_meanwhile", "seen", "cut", "doubled", "lost")}
        return [f"{name}: {count}" for name, count in found.items() if count]


def run_freeze(cluster: Cluster, port: int, token: str) -> Freeze:
    """Ask while nothing can be confirmed, hang up, and ask again with the same keys when the standbys are back."""
    primary, before = cluster.primary(), _payments(cluster)
    cut = _cut(cluster, primary)
    keys = [str(uuid.uuid4()) for _ in range(CLIENTS)]
    with contextlib.ExitStack() as frozen:
        for number in NODES:
            if number != primary:
                frozen.enter_context(cluster.frozen(number))
        began = time.monotonic()
        told = [_ask_and_leave(port, token, key) for key in keys]
        time.sleep(max(0.0, FROZEN_S - (time.monotonic() - began)))
        seen = len(_payments(cluster) - before)
    again = [_insist(port, token, key) for key in keys]
    saved = _payments(cluster) - before
    promised = {one.payment_id for one in again}
    return Freeze(
        asked=len(keys),
        promised_meanwhile=sum(one.outcome is Outcome.ACKED for one in told),
        seen=seen,
        cut=_cut(cluster, primary) - cut,
        doubled=len(saved - promised),
        lost=len(promised - saved),
    )


def _ask_and_leave(port: int, token: str, key: str) -> Told:
    caller = Caller(port, token, timeout_s=0.25)
    told = caller.create(key)
    caller.close()
    return told


def _insist(port: int, token: str, key: str) -> Told:
    caller, told = Caller(port, token), None
    for _ in range(300):
        told = caller.create(key)
        if told.outcome is Outcome.ACKED:
            return told
        time.sleep(0.2)
    raise TimeoutError(f"a payment was never promised: {told}")


def _payments(cluster: Cluster) -> set[int]:
    return {int(row[0]) for row in cluster.psql("SELECT payment_id FROM payments WHERE payment_id > 0")}


def _cut(cluster: Cluster, primary: int) -> int:
    """Count the commits that PostgreSQL says somebody cancelled."""
    log = (cluster.folder / f"patroni{primary}.log").read_text(errors="replace")
    return sum(log.count(words) for words in _CUT.split("|"))
