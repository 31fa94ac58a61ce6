"""What is measured is fetched from a port of its own, by whoever the operator lets in, and from nowhere else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx2

from tests.cli.operator import REDIRECT_URI, new_site
from tests.ports import free_port


def fetched(port: int) -> httpx2.Response:
    return httpx2.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)


def measured_processes(port: int, wanted: int) -> int:
    """How many tell of themselves from this port on; some may still be starting, and ports between be taken."""
    found = 0
    for _ in range(100):
        found = sum(map(_is_ours, range(port, port + 10)))
        if found >= wanted:
            break
        time.sleep(0.2)
    return found


def _is_ours(port: int) -> bool:
    try:
        return "opengiro_build_info" in fetched(port).text
    except httpx2.HTTPError:
        return False


def test_metrics_are_on_their_own_port_and_only_there(tmp_path: Path) -> None:
    port = free_port()
    site = new_site(tmp_path, metrics_port=port)
    with site.serving():
        page = fetched(port)
        assert page.status_code == 200
        assert "opengiro_database_up 1.0" in page.text
        assert 'opengiro_build_info{engine="' in page.text
        assert fetched(site.port).status_code == 404


def test_two_processes_take_two_ports(tmp_path: Path) -> None:
    port = free_port()
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    sites = [new_site(folder, metrics_port=port) for folder in folders]
    with sites[0].serving(), sites[1].serving():
        assert measured_processes(port, 2) == 2


def test_each_process_of_a_server_is_measured(tmp_path: Path) -> None:
    port = free_port()
    site = new_site(tmp_path, metrics_port=port, workers=2)
    with site.serving():
        assert measured_processes(port, 3) == 3


def test_the_log_of_requests_is_json_and_can_be_switched_off(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    with site.serving() as process:
        httpx2.get(f"{site.url}/2.0/payments?canary=1", trust_env=False)
    lines = [line for line in process.communicate()[0].splitlines() if line.startswith("{")]
    assert [json.loads(line)["route"] for line in lines] == ["/2.0/payments"]
    with site.serving(OPENGIRO_LOG_REQUESTS="false") as process:
        httpx2.get(f"{site.url}/2.0/payments", trust_env=False)
    assert "{" not in process.communicate()[0]


def test_a_check_names_metrics_that_others_reach_and_merchants_nobody_bounds(tmp_path: Path) -> None:
    site = new_site(tmp_path, metrics_port=free_port(), metrics_host="0.0.0.0")  # noqa: S104
    for name in ("Kites", "Boats"):
        options = ("--legal-name", name, "--domain", name.lower(), "--zone", "Europe/Paris")
        assert site.run("merchant", "create", name, *options, "--redirect-uri", REDIRECT_URI).returncode == 0
    said = site.run("check", "--production").stdout
    assert "metrics_host is 0.0.0.0" in said
    assert "There are 2 merchants, and one can slow down the others" in said
    bounded = site.run("check", "--production", OPENGIRO_WRITES_PER_S="50", OPENGIRO_READS_PER_S="200").stdout
    assert "slow down" not in bounded
