"""One network namespace for each node, joined by a bridge, so that a node can be cut off as a cable is pulled."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

BRIDGE = "opengiro-ha"
_NET = "10.77.0"
HUB = f"{_NET}.1"


def address(number: int) -> str:
    """Return the address of a node."""
    return f"{_NET}.{10 + number}"


def space(number: int) -> str:
    """Return the name of a node's namespace."""
    return f"{BRIDGE}-{number}"


def build(numbers: Sequence[int]) -> None:
    """Lay the cables."""
    _ip(f"link add {BRIDGE} type bridge")
    _ip(f"address add {HUB}/24 dev {BRIDGE}")
    _ip(f"link set {BRIDGE} up")
    for number in numbers:
        _ip(f"netns add {space(number)}")
        _ip(f"link add {_plug(number)} type veth peer name eth0 netns {space(number)}")
        _ip(f"link set {_plug(number)} master {BRIDGE} up")
        _inside(number, f"address add {address(number)}/24 dev eth0")
        _inside(number, "link set eth0 up")
        _inside(number, "link set lo up")


def tear_down(numbers: Sequence[int]) -> None:
    """Remove all of it, as far as it is there."""
    for number in numbers:
        _ip(f"netns del {space(number)}", check=False)
    _ip(f"link del {BRIDGE}", check=False)


def cut(number: int) -> None:
    """Pull the cable: nothing arrives at the node and nothing leaves it, and nobody is told."""
    _ip(f"link set {_plug(number)} down")


def join(number: int) -> None:
    """Put the cable back."""
    _ip(f"link set {_plug(number)} up")


def mute(number: int) -> None:
    """Let the node hear everybody, and nobody hear the node."""
    for half in (f"{_NET}.0/25", f"{_NET}.128/25"):
        _inside(number, f"route add blackhole {half}")


def unmute(number: int) -> None:
    """Let the node be heard again."""
    for half in (f"{_NET}.0/25", f"{_NET}.128/25"):
        _inside(number, f"route del blackhole {half}")


def inside(number: int) -> list[str]:
    """Return what to put before a command that shall run on a node."""
    return ["/usr/sbin/ip", "netns", "exec", space(number)]


def as_user(name: str) -> list[str]:
    """Return what to put before a command that shall run as somebody else: PostgreSQL refuses to run as root."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"]


def processes(number: int) -> list[int]:
    """Return the processes of a node."""
    return [int(line) for line in _ip(f"netns pids {space(number)}", check=False).split()]


def _plug(number: int) -> str:
    return f"og-ha-{number}"


def _inside(number: int, words: str) -> None:
    _ip(f"-n {space(number)} {words}")


def _ip(words: str, *, check: bool = True) -> str:
    done = subprocess.run(["/usr/sbin/ip", *words.split()], capture_output=True, text=True, check=False, timeout=10)
    if check and done.returncode:
        raise SystemExit(f"ip {words} failed: {done.stderr.strip()}")
    return done.stdout
