"""What goes wrong, one function a fault; each returns how to mend it, as a machine that boots again would."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.ha import network
from tests.faults.ha.cluster import NODES, TTL_S, Cluster

Mend = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and how long at most nothing may be promised because of it."""

    name: str
    strike: Callable[[Cluster], Mend]
    outage_s_max: float
    moves: bool = True  #: whether another node becomes the primary


def kill_primary(cluster: Cluster) -> Mend:
    """Kill Patroni and PostgreSQL of the primary with signal 9."""
    struck = _killed(cluster)
    return lambda: cluster.start_patroni(struck)


def crash_primary(cluster: Cluster) -> Mend:
    """Kill the same, but let the service manager start Patroni again at once."""
    cluster.start_patroni(_killed(cluster))
    return lambda: None


def orphan_primary(cluster: Cluster) -> Mend:
    """Kill Patroni of the primary alone: its PostgreSQL goes on, and nobody tells it that it is the primary no more."""
    struck = cluster.primary()
    cluster.kill_patroni(struck)
    return lambda: cluster.start_patroni(struck)


def switch_over(cluster: Cluster) -> Mend:
    """Hand the primary's part to the synchronous standby, as before maintenance."""
    cluster.switch_over()
    return lambda: None


def cut_primary_off(cluster: Cluster) -> Mend:
    """Pull the cable of the primary, whose processes go on."""
    struck = cluster.primary()
    network.cut(struck)
    return lambda: network.join(struck)


def mute_primary(cluster: Cluster) -> Mend:
    """Let the primary hear everybody and be heard by nobody."""
    struck = cluster.primary()
    network.mute(struck)
    return lambda: network.unmute(struck)


def freeze_etcd(cluster: Cluster) -> Mend:
    """Freeze all of etcd for longer than a lock lives: nobody can hold one, and nobody can take it."""

    def send(number: signal.Signals) -> None:
        for node in NODES:
            cluster.running[f"etcd{node}"].send_signal(number)

    send(signal.SIGSTOP)
    time.sleep(TTL_S * 1.5)
    return lambda: send(signal.SIGCONT)


def _killed(cluster: Cluster) -> int:
    struck = cluster.primary()
    cluster.kill_database(struck)
    return struck


def cut_standby_off(cluster: Cluster) -> Mend:
    """Pull the cable of a standby that every commit waits for."""
    struck = cluster.sync_standby()
    network.cut(struck)
    return lambda: network.join(struck)


UNPLANNED_S, PLANNED_S = 25.0, 5.0
FAULTS = (
    Fault("kill", kill_primary, UNPLANNED_S),
    Fault("crash", crash_primary, UNPLANNED_S, moves=False),
    Fault("orphan", orphan_primary, UNPLANNED_S),
    Fault("switchover", switch_over, PLANNED_S),
    Fault("isolate", cut_primary_off, UNPLANNED_S),
    Fault("mute", mute_primary, UNPLANNED_S),
    Fault("standby", cut_standby_off, UNPLANNED_S, moves=False),
    Fault("etcd", freeze_etcd, UNPLANNED_S, moves=False),
)
