"""A base backup, an archive of the log, and a copy that is taken back to a moment and does nothing until told."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.operator import REDIRECT_URI, Site, new_site
from tests.faults.ha import network
from tests.faults.ha.cluster import PORT, USER, Cluster
from tests.faults.ha.load import Caller, Outcome
from tests.faults.ha.packages import POSTGRES
from tests.ports import free_port

PAYMENTS = 50
QUIET_S = 5.0
"""So long the copy is watched for anything it might send."""
_ALL_DUE = """
UPDATE webhooks SET failures = 0, pauses = 0, paused_until_us = NULL;
UPDATE deliveries SET stage = 'waiting', due_us = 0, leased_until_us = NULL WHERE stage IN ('waiting', 'sending')
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What the drill brought; times in seconds."""

    megabytes: int
    backup_s: float
    restore_s: float
    before: int  #: payments promised before the moment
    found: int  #: of these in the copy
    later: int  #: payments of after the moment in the copy
    due: int  #: webhooks that wait in the copy
    sent_while_held: int
    refused: bool  #: whether a new payment was refused with 503 and Retry-After
    said: str  #: by `opengiro check`
    sent_after_release: int

    @property
    def complaints(self) -> list[str]:
        """Say what must not be."""
        found = [
            (self.found != self.before, f"{self.before - self.found} payments are missing in the copy"),
            (self.later, f"{self.later} payments of after the moment are in the copy"),
            (not self.due, "nothing waited in the copy, so its silence proves nothing"),
            (self.sent_while_held, f"the copy sent {self.sent_while_held} webhooks before it was told to"),
            (not self.refused, "the copy took a payment before it was told to"),
            ("held" not in self.said, "check does not say that the copy is held"),
            (not self.sent_after_release, "the copy sent nothing after it was released"),
        ]
        return [text for wrong, text in found if wrong]


class Sink:
    """A webhook receiver that counts, and refuses until told to accept, so that deliveries wait."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.count, self.status = 0, 503
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                sink.count += 1
                self.send_response(sink.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


def run_restore(cluster: Cluster, site: Site, merchant: dict[str, Any], token: str, folder: Path) -> Restored:
    """Back up, pay, restore to a moment in between, and watch the copy."""
    sink = Sink()
    site.banks({"connector": "test_bank"})
    _register(site, merchant["config_token"], sink.url)
    base, backup_s = _base_backup(folder)
    promised = {_pay(site, token) for _ in range(PAYMENTS)}
    choice = {"validated": True, "connector_uuid": TEST_BANK_ID, "webview_url": REDIRECT_URI}
    for payment_id in promised:
        _call(site, "POST", f"/payments/{payment_id}", token, choice)  # each move makes a webhook due
    moment = cluster.psql("SELECT clock_timestamp()")[0][0]
    time.sleep(1)
    later = {_pay(site, token) for _ in range(PAYMENTS)}
    _archive(cluster)
    sink.status = 200
    began = time.monotonic()
    with _restored(cluster, base, moment) as port:
        restore_s = time.monotonic() - began
        return _watch(site, folder / "copy", port, sink, token, (promised, later), (base, backup_s, restore_s))


def _watch(
    site: Site,
    folder: Path,
    port: int,
    sink: Sink,
    token: str,
    payments: tuple[set[int], set[int]],
    made: tuple[Path, float, float],
) -> Restored:
    copy = _copy_of(site, folder, port)
    found = {int(row[0]) for row in _psql(port, "SELECT payment_id FROM payments")}
    due = int(_psql(port, "SELECT COUNT(*) FROM deliveries WHERE stage IN ('waiting', 'sending')")[0][0])
    _psql(port, _ALL_DUE)
    with (folder / "serve.log").open("wb") as log, copy.serving(log):
        before = sink.count
        told = Caller(copy.port, token).create(str(uuid.uuid4()))
        time.sleep(QUIET_S)
        sent, said = sink.count - before, copy.run("check").stdout
        copy.run("release")
        released_at = sink.count
        for _ in range(100):
            if sink.count > released_at:
                break
            time.sleep(0.1)
    promised, later = payments
    base, backup_s, restore_s = made
    return Restored(
        megabytes=sum(path.stat().st_size for path in base.rglob("*") if path.is_file()) // 1_000_000,
        backup_s=round(backup_s, 1),
        restore_s=round(restore_s, 1),
        before=len(promised),
        found=len(promised & found),
        later=len(later & found),
        due=due,
        sent_while_held=sent,
        refused=told.outcome is Outcome.REFUSED,
        said=next((line for line in said.splitlines() if "held" in line), ""),
        sent_after_release=sink.count - released_at,
    )


def _base_backup(folder: Path) -> tuple[Path, float]:
    base = folder / "base"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(mode=0o700, parents=True)
    shutil.chown(base, USER)
    began = time.monotonic()
    where = ["-h", "127.0.0.1", "-p", str(PORT), "-U", USER]
    _as_user([str(POSTGRES / "pg_basebackup"), "-D", str(base), "-c", "fast", *where])
    return base, time.monotonic() - began


def _archive(cluster: Cluster) -> None:
    """Have everything so far in the archive."""
    name = cluster.psql("SELECT pg_walfile_name(pg_switch_wal())")[0][0]
    cluster.wait((cluster.folder / "archive" / name).exists, f"{name} in the archive")


@contextlib.contextmanager
def _restored(cluster: Cluster, base: Path, moment: str) -> Iterator[int]:
    """Restore the backup to a moment and run it on a port of its own."""
    port = free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "hba_file": base / "hba.conf",
        "synchronous_standby_names": "",
        "archive_mode": "off",
        "restore_command": f"cp {cluster.folder}/archive/%f %p",
        "recovery_target_time": moment,
        "recovery_target_action": "promote",
    }
    _write(base / "hba.conf", "host all all 127.0.0.1/32 trust\n")
    _write(base / "postgresql.auto.conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items()))
    _write(base / "recovery.signal", "")
    control = [str(POSTGRES / "pg_ctl"), "-D", str(base), "-l", str(base / "log")]
    _as_user([*control, "-w", "start"])
    try:
        cluster.wait(lambda: _psql(port, "SELECT pg_is_in_recovery()") == [["f"]], "the end of recovery")
        yield port
    finally:
        _as_user([*control, "-m", "fast", "stop"])


def _copy_of(site: Site, folder: Path, port: int) -> Site:
    """Return a site like the original, with its keys, on the restored database."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "data").mkdir(parents=True, mode=0o700)
    shutil.copy(site.data / "root.key", folder / "data")
    url = f"postgresql://{USER}@127.0.0.1:{port}/opengiro"
    return new_site(folder, database_url=url, workers=2, private_hosts=["127.0.0.1"])


def _register(site: Site, config_token: str, url: str) -> None:
    """Send webhooks of every payment to the sink."""
    auth = _call(site, "POST", "/webhooks/auth", config_token, {"type": "hmac_signature", "name": "sink"})
    hook = {"url": url, "event": "PAYMENT_STATE_UPDATED", "id_auth": auth["id"]}
    _call(site, "POST", "/webhooks", config_token, hook)


def _call(site: Site, method: str, path: str, token: str, body: object = None) -> Any:
    head = {"authorization": f"Bearer {token}"}
    answer = httpx2.request(method, f"{site.url}/2.0{path}", headers=head, json=body, trust_env=False, timeout=30)
    return answer.raise_for_status().json()


def _pay(site: Site, token: str) -> int:
    told = Caller(site.port, token).create(str(uuid.uuid4()))
    if told.outcome is not Outcome.ACKED:
        raise RuntimeError(f"a payment was not made: {told}")
    return told.payment_id


def _psql(port: int, sql: str) -> list[list[str]]:
    where = f"host=127.0.0.1 port={port} user={USER} dbname=opengiro"
    done = _run([str(POSTGRES / "psql"), "-XAtqc", sql, where])
    return [line.split("|") for line in done.splitlines()]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    shutil.chown(path, USER)


def _as_user(command: list[str]) -> None:
    _run([*network.as_user(USER), *command])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=300)
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr} {done.stdout}")
    return done.stdout
