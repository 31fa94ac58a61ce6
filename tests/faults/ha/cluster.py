"""Three nodes with etcd, Patroni and PostgreSQL each, and HAProxy before them that follows the primary."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.ha import network
from tests.faults.ha.packages import POSTGRES

NODES = (1, 2, 3)
PORT = 5577
"""Where HAProxy passes connections on to the primary."""
EVERY_NODE = ",".join(f"{network.address(number)}:5432" for number in NODES)
"""All nodes, as one database URL may list them."""
USER = "postgres"
TTL_S, LOOP_S, RETRY_S = 20, 2, 5
_PATIENCE_S = 120
_STANDBYS = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming' ORDER BY sync_state"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(slots=True)
class Cluster:
    """The machines of the rig; `folder` holds everything they write."""

    folder: Path
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start from nothing, and wait until there is a primary with its standbys."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o755)
        (self.folder / "archive").mkdir()
        for made in (self.folder, self.folder / "archive"):
            shutil.chown(made, USER)
        network.build(NODES)
        for number in NODES:
            self.start_etcd(number)
        for number in NODES:
            self.start_patroni(number)
        self._write("haproxy.cfg", _haproxy())
        self._spawn("haproxy", ["haproxy", "-f", str(self.folder / "haproxy.cfg")])
        self.wait(self.is_whole, "a primary with two synchronous standbys")

    def stop(self) -> None:
        """End every process without ceremony and remove the network."""
        for number in NODES:
            for pid in network.processes(number):
                _kill(pid, signal.SIGKILL)
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()
        network.tear_down(NODES)

    def start_etcd(self, number: int) -> None:
        """Start the etcd of a node."""
        self._spawn(f"etcd{number}", _etcd(number, self.folder / f"etcd{number}"), number)

    def start_patroni(self, number: int) -> None:
        """Start the Patroni of a node, which starts its PostgreSQL."""
        path = self._write(f"patroni{number}.yml", json.dumps(_patroni(number, self.folder)))
        self._spawn(f"patroni{number}", ["/usr/bin/python3", "-m", "patroni", str(path)], number)

    def kill_database(self, number: int) -> None:
        """Kill Patroni and all processes of PostgreSQL on a node at once, without a word to any of them."""
        spared = self.running[f"etcd{number}"].pid
        for pid in network.processes(number):
            if pid != spared:
                _kill(pid, signal.SIGKILL)
        self.running.pop(f"patroni{number}").wait()

    def kill_patroni(self, number: int) -> None:
        """Kill Patroni alone on a node."""
        patroni = self.running.pop(f"patroni{number}")
        patroni.kill()
        patroni.wait()

    def members(self) -> list[dict[str, Any]]:
        """Return the cluster as any node that answers sees it."""
        for number in NODES:
            with contextlib.suppress(OSError, ValueError):
                return list(self.ask(number, "/cluster")["members"])
        return []

    def primary(self) -> int:
        """Return the node that holds the lock now."""
        for number in NODES:
            with contextlib.suppress(OSError, ValueError):
                self.ask(number, "/primary")
                return number
        raise LookupError("no node is the primary")

    def has_moved(self, before: int) -> bool:
        """Whether another node than before holds the lock, as far as HAProxy's side of the network can see."""
        with contextlib.suppress(LookupError):
            return self.primary() != before
        return False

    def sync_standby(self) -> int:
        """Return a node that every commit waits for."""
        names = [one["name"] for one in self.members() if one["role"] == "sync_standby"]
        return int(names[0].removeprefix("node"))

    def is_whole(self) -> bool:
        """Whether the primary waits for both others."""
        with contextlib.suppress(subprocess.SubprocessError):
            return self.psql(_STANDBYS, "postgres") == [["sync"], ["sync"]]
        return False

    def ask(self, number: int, path: str, body: object = None, *, timeout_s: float = 2) -> Any:
        """Call a node's Patroni."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{network.address(number)}:8008{path}", data=data)
        with _DIRECT.open(request, timeout=timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text[:1] in (b"{", b"[") else text.decode()

    def switch_over(self) -> str:
        """Ask Patroni to hand the primary's part to the synchronous standby, and return what it says."""
        leader, candidate = self.primary(), self.sync_standby()
        body = {"leader": f"node{leader}", "candidate": f"node{candidate}"}
        return str(self.ask(leader, "/switchover", body, timeout_s=60))

    def psql(self, sql: str, database: str = "opengiro") -> list[list[str]]:
        """Run a statement on the primary, through HAProxy, and return its rows."""
        command: list[str | Path] = [
            POSTGRES / "psql",
            "-XAtqc",
            sql,
            f"host=127.0.0.1 port={PORT} user={USER} dbname={database}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return [line.split("|") for line in done.stdout.splitlines()]

    def wait(self, until: Callable[[], bool], what: str, patience_s: float = _PATIENCE_S) -> float:
        """Wait for something and return how long it took."""
        began = time.monotonic()
        while not until():
            if time.monotonic() - began > patience_s:
                raise TimeoutError(f"after {patience_s} s there is not: {what}; {self.members()}")
            time.sleep(0.25)
        return time.monotonic() - began

    def postgres_pids(self, number: int) -> list[int]:
        """Return the processes of PostgreSQL on a node."""
        return [pid for pid in network.processes(number) if _name(pid) == "postgres"]

    @contextlib.contextmanager
    def frozen(self, number: int) -> Iterator[None]:
        """Freeze the PostgreSQL of a node, which stays connected and answers nobody."""
        pids = self.postgres_pids(number)
        for pid in pids:
            _kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _kill(pid, signal.SIGCONT)

    def _spawn(self, name: str, command: list[str], number: int | None = None) -> None:
        before = [] if number is None else network.inside(number)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*before, *network.as_user(USER), *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@contextlib.contextmanager
def running(folder: Path, environment: dict[str, str]) -> Iterator[Cluster]:
    """Run a cluster for as long as the block lasts."""
    network.tear_down(NODES)
    cluster = Cluster(folder, environment)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _etcd(number: int, data: Path) -> list[str]:
    own = network.address(number)
    members = ",".join(f"node{one}=http://{network.address(one)}:2380" for one in NODES)
    words = {
        "name": f"node{number}",
        "data-dir": str(data),
        "listen-client-urls": f"http://{own}:2379",
        "advertise-client-urls": f"http://{own}:2379",
        "listen-peer-urls": f"http://{own}:2380",
        "initial-advertise-peer-urls": f"http://{own}:2380",
        "initial-cluster": members,
        "initial-cluster-token": "opengiro-ha",
        "enable-v2": "true",
        "log-level": "warn",
    }
    return ["etcd", *(f"--{name}={value}" for name, value in words.items())]


def _patroni(number: int, folder: Path) -> dict[str, Any]:
    """Return the settings of a node. Everybody is trusted: nobody else is on this network."""
    own, data = network.address(number), folder / f"data{number}"
    return {
        "scope": "opengiro",
        "name": f"node{number}",
        "restapi": {"listen": f"{own}:8008", "connect_address": f"{own}:8008"},
        # Not etcd3: through it Patroni 3.0.2 renews the lock without comparing, so a node that was cut off takes it
        # back from its successor by an old view of etcd, and what was acknowledged meanwhile is lost.
        "etcd": {"hosts": [f"{network.address(one)}:2379" for one in NODES]},
        "bootstrap": {"dcs": _shared(folder), "initdb": [{"encoding": "UTF8"}, "data-checksums"]},
        "postgresql": {
            "listen": f"{own}:5432",
            "connect_address": f"{own}:5432",
            "data_dir": str(data),
            "bin_dir": str(POSTGRES),
            "pgpass": str(folder / f"pgpass{number}"),
            "authentication": {one: {"username": USER} for one in ("superuser", "replication", "rewind")},
            "pg_hba": [f"host {one} all {network.HUB}/24 trust" for one in ("all", "replication")],
            "parameters": {"unix_socket_directories": ""},
        },
    }


def _shared(folder: Path) -> dict[str, Any]:
    """Return what holds for the whole cluster: no commit is acknowledged before a standby has it."""
    return {
        "ttl": TTL_S,
        "loop_wait": LOOP_S,
        "retry_timeout": RETRY_S,
        "synchronous_mode": True,
        "synchronous_mode_strict": True,
        # Both, so that the one that is ahead takes over: one that had run ahead of its new primary would first have to
        # be rewound, and meanwhile nobody confirms a commit.
        "synchronous_node_count": 2,
        "failsafe_mode": True,
        "postgresql": {
            "use_pg_rewind": True,
            "parameters": {
                "wal_log_hints": "on",
                "wal_keep_size": "512MB",
                # A standby that is cut off holds up commits for so long.
                "wal_sender_timeout": "5s",
                "wal_receiver_timeout": "5s",
                # A standby that finds its new primary not ready yet asks again this soon; 5 s would add to the outage.
                "wal_retrieve_retry_interval": "500ms",
                "max_connections": 100,
                "shared_buffers": "128MB",
                "archive_mode": "on",
                "archive_command": f"test -f {folder}/archive/%f || cp %p {folder}/archive/%f",
                "tcp_user_timeout": 5000,
            },
        },
    }


def _haproxy() -> str:
    servers = "".join(f"    server node{one} {network.address(one)}:5432 check port 8008\n" for one in NODES)
    return f"""global
    maxconn 1000

defaults
    mode tcp
    retries 0
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 1500ms

listen primary
    bind 127.0.0.1:{PORT}
    option httpchk GET /primary
    http-check expect status 200
    default-server inter 1s fastinter 300ms downinter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}"""
