"""Ports that the tests tell programs: nobody else comes to hold one before the program does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

USUAL = 32_768
"""Where Linux begins, unless told otherwise."""


def given_to(worker: str, ports: int) -> set[int]:
    """Return the ports that a process of the tests is given."""
    program = f"from tests.ports import free_port\nfor _ in range({ports}): print(free_port())"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTEST_XDIST_WORKER": worker},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return {int(line) for line in told.stdout.split()}


def test_processes_of_the_tests_never_get_the_same_one() -> None:
    assert not given_to("gw1", 300) & given_to("gw2", 300)


def test_the_kernel_gives_it_to_nobody() -> None:
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not told.exists():
        pytest.skip("this system has no /proc that says which ports it hands out")
    first = int(told.read_text().split()[0])
    if first < USUAL:
        pytest.skip(f"this system was told to hand out ports from {first:,}, not from {USUAL:,}")
    assert free_port() < first


def test_one_that_is_taken_is_passed_over() -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        assert taken not in {free_port() for _ in range(1_000)}
