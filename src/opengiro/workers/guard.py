"""Which addresses the server may be made to call by somebody who only knows its API (SSRF).

Two walls. `read_url` takes apart the URL as written and refuses whatever two parsers could read differently.
`Guard.resolve` is then the only way from a host name to an address: the HTTP client asks it inside its
connector, so the addresses it connects to are the very ones that were checked, whatever the DNS answers a
moment later. One bad address among several refuses them all. `ipaddress.is_global` calls several of the
networks below global (NAT64, 6to4, IPv4-compatible, site-local), hence a table of our own.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

PORTS = frozenset({443, 8443})
"""Ports a webhook may use, unless its host is one of the private hosts the operator named."""

ANY_HOST = "*"
URL_MAX = 2048
LOOKUPS_MAX = 128

Address = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


class Reach(StrEnum):
    """What may be done about an address in a reserved network."""

    NEVER = "never"  #: no webhook receiver lives there
    OPT_IN = "opt_in"  #: only for hosts that the operator named as private


class UnsafeUrl(OSError):  # a verdict; an OSError because that is what resolvers may raise
    """A webhook must not be sent there; the text says why in words the merchant may read."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the one spelling that is signed, shown and connected to."""

    scheme: str
    host: str  #: lower case, without trailing dot; an IPv6 address without brackets
    port: int
    path: str  #: as it goes on the wire and into signatures
    query: str

    @property
    def url(self) -> str:
        """The whole URL, with the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORT_OF[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}" + (f"?{self.query}" if self.query else "")


_PORT_OF = {"https": 443, "http": 80}

_RESERVED = {
    "0.0.0.0/8": Reach.NEVER,  # this network; 0.0.0.0 reaches loopback on Linux
    "10.0.0.0/8": Reach.OPT_IN,  # private
    "100.64.0.0/10": Reach.OPT_IN,  # carrier-grade NAT
    "100.100.100.200/32": Reach.NEVER,  # metadata service of a cloud, inside that NAT range
    "127.0.0.0/8": Reach.OPT_IN,  # loopback
    "168.63.129.16/32": Reach.NEVER,  # platform service of a cloud, though the address looks public
    "169.254.0.0/16": Reach.NEVER,  # link-local; metadata services
    "172.16.0.0/12": Reach.OPT_IN,  # private
    "192.0.0.0/24": Reach.NEVER,  # protocol assignments; metadata service of a cloud
    "192.0.2.0/24": Reach.NEVER,  # documentation
    "192.31.196.0/24": Reach.NEVER,  # AS112
    "192.52.193.0/24": Reach.NEVER,  # multicast tunnels
    "192.88.99.0/24": Reach.NEVER,  # 6to4 relays
    "192.168.0.0/16": Reach.OPT_IN,  # private
    "192.175.48.0/24": Reach.NEVER,  # AS112
    "198.18.0.0/15": Reach.NEVER,  # benchmarks
    "198.51.100.0/24": Reach.NEVER,  # documentation
    "203.0.113.0/24": Reach.NEVER,  # documentation
    "224.0.0.0/4": Reach.NEVER,  # multicast
    "240.0.0.0/4": Reach.NEVER,  # reserved, broadcast
    "::1/128": Reach.OPT_IN,  # loopback
    "fc00::/7": Reach.OPT_IN,  # unique local
    "fd00:ec2::/32": Reach.NEVER,  # metadata service of a cloud, inside the unique local range
    "fd20:ce::/32": Reach.NEVER,  # the same of another
    "2001::/23": Reach.NEVER,  # Teredo, benchmarks, ORCHID: protocol assignments
    "2001:db8::/32": Reach.NEVER,  # documentation
    "2002::/16": Reach.NEVER,  # 6to4, holds an IPv4 address
    "2620:4f:8000::/48": Reach.NEVER,  # AS112
    "3ffe::/16": Reach.NEVER,  # the former 6bone
    "3fff::/20": Reach.NEVER,  # documentation
}
_NETWORKS: list[tuple[IPv4Network | IPv6Network, Reach]] = sorted(
    ((ip_network(text), reach) for text, reach in _RESERVED.items()), key=lambda row: -row[0].prefixlen
)

# Everything else in IPv6 (mapped and compatible IPv4, NAT64, site-local, link-local, multicast, SRv6) lies
# outside the one block from which global unicast addresses are given out.
_GLOBAL_V6 = IPv6Network("2000::/3")
_ISATAP = 0x5EFE  # the word before the IPv4 address in an ISATAP interface identifier

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[0-9A-Za-z._-]{1,254})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[0-9A-Za-z\-._~%!$&'()*+,;=:@/]*)?"
    r"(?:\?(?P<query>[0-9A-Za-z\-._~%!$&'()*+,;=:@/?]*))?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[0-9a-z_-]{1,63}(?<!-)", re.ASCII)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def reach(address: Address) -> Reach | None:
    """Return what holds for an address in a reserved network, None for an ordinary public one."""
    for network, found in _NETWORKS:
        if address.version == network.version and address in network:
            return found
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_V6 or _is_isatap(address)):
        return Reach.NEVER
    return None


def read_url(url: str) -> Target:
    """Take a URL apart strictly; raises `UnsafeUrl` unless it has exactly one reading."""
    if len(url) > URL_MAX:
        raise UnsafeUrl(f"the URL is longer than {URL_MAX} characters")
    found = _URL.fullmatch(url)
    if not found:
        raise UnsafeUrl(
            "the URL must be https://host[:port][/path][?query] in plain ASCII, without user name or fragment"
        )
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else _PORT_OF[scheme]
    if not 0 < port < 65536:
        raise UnsafeUrl("the port must be between 1 and 65535")
    return Target(scheme, _read_host(found["host"].lower()), port, found["path"] or "/", found["query"] or "")


class Guard(AbstractResolver):
    """Decides for one server where webhooks may go, and resolves host names for the client that sends them.

    `private_hosts` names the hosts (names or addresses, exactly; `*` means all) that may be in private
    networks, on any port and without TLS.
    """

    def __init__(
        self,
        private_hosts: frozenset[str] = frozenset(),
        *,
        ports: frozenset[int] = PORTS,
        lookup: Lookup | None = None,
    ) -> None:
        """Use the system's resolver unless another `lookup` is given."""
        self._private_hosts = frozenset(_read_private(host.lower()) for host in private_hosts)
        self._ports = ports
        # Threads of its own, and one question per host at a time: a name server that hangs for one merchant
        # must not hold up anything else.
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="lookup")
        self._asking: dict[str, asyncio.Future[Sequence[str]]] = {}
        self._lookup = lookup or self._ask_system

    def check_url(self, url: str) -> Target:
        """Return the URL taken apart if a webhook may go there as far as the text alone tells."""
        target = read_url(url)
        private = self._is_private(target.host)
        if target.scheme != "https" and not private:
            raise UnsafeUrl("the URL must begin with https://")
        if target.port not in self._ports and not private:
            raise UnsafeUrl(f"the port must be one of {', '.join(map(str, sorted(self._ports)))}")
        if (address := _as_address(target.host)) is not None:
            self._check_address(target.host, address)
        return target

    async def complaint(self, url: str) -> str | None:
        """Return why a webhook may not be registered for this URL, or None when it may."""
        try:
            target = self.check_url(url)
            await self.addresses(target.host, target.port)
        except UnsafeUrl as unsafe:
            return str(unsafe)
        except OSError:
            return "the host name could not be resolved"
        return None

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, every one of them checked."""
        literal = _as_address(host)
        found = [literal] if literal else [ip_address(text) for text in await self._lookup(host, port)]
        for address in found:
            self._check_address(host, address)
        return found

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Answer the HTTP client's connector: it connects to these addresses and asks nobody else."""
        found = [_result(host, port, address) for address in await self.addresses(host, port)]
        return [result for result in found if family in (socket.AF_UNSPEC, result["family"])]

    async def close(self) -> None:
        """Let go of the threads; lookups that are waiting are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_private(self, host: str) -> bool:
        return ANY_HOST in self._private_hosts or host in self._private_hosts

    def _check_address(self, host: str, address: Address) -> None:
        found = reach(address)
        if found is Reach.NEVER or (found is Reach.OPT_IN and not self._is_private(host)):
            raise UnsafeUrl("the host is in a private or reserved network")

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        asking = self._asking.get(host)
        if asking is None:
            asking = asyncio.get_running_loop().run_in_executor(self._threads, _ask, host, port)
            self._asking[host] = asking
            asking.add_done_callback(lambda _: self._asking.pop(host, None))
        return await asyncio.shield(asking)


def _ask(host: str, port: int) -> Sequence[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _read_host(host: str) -> str:
    if host.startswith("["):
        return _read_ipv6(host[1:-1])
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _read_ipv4(host)
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("the host is not a domain name; international names are written as xn--...")
    return host


def _read_private(host: str) -> str:
    if host == ANY_HOST:
        return host
    return _read_ipv6(host.strip("[]")) if ":" in host else _read_host(host)


def _read_ipv4(host: str) -> str:
    # 127.1, 0177.0.0.1, 2130706433 and 0x7f.1 are all 127.0.0.1 to the system, and not so to other readers.
    try:
        return str(IPv4Address(host))
    except ValueError:
        raise UnsafeUrl("an IPv4 address is written as four decimal numbers") from None


def _read_ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise UnsafeUrl("the host is not an IPv6 address") from None


def _as_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFF == _ISATAP and (int(address) >> 48) & 0xFCFF == 0


def _result(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=str(address), port=port, family=family, proto=0, flags=flags)
