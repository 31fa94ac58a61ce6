"""A canary listens on every local address, and no webhook URL reaches it unless the operator opted in."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest

from opengiro.domain.deliveries import Failure
from opengiro.workers.guard import Guard, Lookup, UnsafeUrl, reach, read_url
from opengiro.workers.post import Post
from tests.workers.sink import Sink, answer, sink

# One address of each end of every network where no webhook receiver lives, and those in between worth a name.
FORBIDDEN_V4 = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.253
169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.8
192.0.0.170 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.0 192.88.99.1
192.168.0.0 192.168.1.1 192.168.255.255 192.175.48.1 198.18.0.0 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.0 224.0.0.1 239.255.255.250 239.255.255.255 240.0.0.0 240.0.0.1 254.254.254.254
255.255.255.254 255.255.255.255
""".split()  # noqa: SIM905  # a list literal would drown in quotes

FORBIDDEN_V6 = """
:: ::1 ::2 ::7f00:1 ::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::127.0.0.1
64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8 64:ff9b:1::7f00:1 64:ff9b:1:abcd::127.0.0.1 100::
100::1 100:0:0:1::1 2001:: 2001::1 2001:0:7f00:1:: 2001:0:4136:e378:8000:63bf:80ff:fffe 2001:1::1 2001:2::1
2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2001:db8:ffff::1 2002:7f00:1::
2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe:: 2002:808:808:: 2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff::1
4000::1 5f00::1 5f00:ffff::1 6000::1 8000::1 a000::1 c000::1 e000::1 fc00::1 fcff:ffff::1 fd00::1
fd00:ec2::254 fd20:ce::254 fdff::1 fe00::1 fe80::1 fe80::a9fe:a9fe fe80::5efe:7f00:1 febf:ffff::1 fec0::1
fec0:0:0:ffff::1 feff::1 ff00::1 ff01::1 ff02::1 ff02::fb ff05::1:3 ff0e::1
ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2606:4700::5efe:7f00:1 2606:4700::200:5efe:7f00:1
2606:4700::5efe:a00:1
""".split()  # noqa: SIM905  # a list literal would drown in quotes

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0
223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450:4007:80e::200e 2400:cb00::1 2001:200::1
2003::1
""".split()  # noqa: SIM905  # a list literal would drown in quotes

# Everything getaddrinfo, inet_aton or some browser turns into 127.0.0.1 (or 0.0.0.0, or 169.254.169.254).
ODD_HOSTS = """
127.1 127.0.1 127.0.0.1. 127.00.0.1 127.000.000.001 0177.0.0.1 0177.1 00000177.0.0.1 0177.0x0.0.1 0x7f.1
0x7f.0.0.1 0x7F.0x0.0x0.0x1 0x7f000001 0X7F000001 0x7f.0.1 2130706433 2130706433. 017700000001
0x0000007f000001 4294967295 0 00 0x 0x0 0.0 0.0.0 127.0.0.1.1 127.0.0 127 256.0.0.1 127.0.0.256 1.2.3.4.5
3232235521 0xc0a80001 192.168.1 10.1 169.254.43518 0xa9fea9fe 2852039166 0251.0376.0251.0376
0xA9.0xFE.0xA9.0xFE 025177524776 [::ffff:127.0.0.1] [::ffff:7f00:1] [::1] [0:0:0:0:0:0:0:1]
[0000:0000:0000:0000:0000:0000:0000:0001] [::127.0.0.1] [::] [::ffff:0x7f.1] [::1%25lo] [::1%lo]
[fe80::1%25eth0] [127.0.0.1] [::1]. [1] 1.0.0.127.0x a.127 example.0x7f localhost.1
""".split()  # noqa: SIM905  # a list literal would drown in quotes

ODD_URLS = [
    "https://user@{host}/",
    "https://user:word@{host}/",
    "https://public.test@{host}/",
    "https://public.test:443@{host}/",
    "https://{host}#@public.test/",
    "https://public.test#@{host}/",
    "https://{host}\\@public.test/",
    "https://public.test\\@{host}/",
    "https:\\\\{host}/",
    "https:/{host}/",
    "https:{host}",
    "//{host}/",
    "{host}",
    "https:///{host}/",
    "https:// {host}/",
    " https://{host}/",
    "https://{host} /",
    "https://{host}\t/",
    "https://{host}\r\nHost: public.test/",
    "https://{host}\x00.public.test/",
    "https://%31%32%37.0.0.1/",
    "https://127%2e0%2e0%2e1/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.0.0.1/",  # noqa: RUF001  # look-alikes are the point
    "https://ⅼocalhost/",  # noqa: RUF001  # look-alikes are the point
    "https://localhost%00.public.test/",
    "https://[::1/",
    "https://::1/",
    "https://[::1]]/",
    "https://{host}:443:80/",
    "https://{host}:0/",
    "https://{host}:65536/",
    "https://{host}:-1/",
    "https://{host}:٤٤٣/",
    "https://{host}:/x y",
    "gopher://{host}/",
    "file:///etc/passwd",
    "ftp://{host}/",
    "dict://{host}:11211/",
    "ws://{host}/",
    "data:,x",
    "javascript:1",
    "unix:///run/x.sock",
    "HTTPS+unix://{host}/",
    "https://",
    "https:///",
    "",
    "https://?",
    "https://.",
    "https://..",
    "https://-a.test/",
    "https://a-.test/",
    "https://a..test/",
    "https://" + "a" * 64 + ".test/",
    "https://public.test/" + "a" * 2048,
    "https://public.test/#fragment",
    "https://public.test/é",
    "https://münchen.test/",
]


def names(table: dict[str, Sequence[str]]) -> Lookup:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return table[host]

    return lookup


@pytest.fixture
async def canary() -> AsyncIterator[Sink]:
    async with sink(answer(200), host="0.0.0.0") as found:  # noqa: S104  # a canary hears every local address
        yield found


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def every_vector(port: int) -> list[str]:
    hosts = [*map(literal, FORBIDDEN_V4 + FORBIDDEN_V6), *ODD_HOSTS]
    urls = [f"{scheme}://{host}:{port}/" for scheme in ("https", "http") for host in hosts]
    return urls + [url.format(host=f"127.0.0.1:{port}") for url in ODD_URLS]


async def test_no_vector_reaches_a_canary_that_listens_on_every_local_address(canary: Sink) -> None:
    urls = every_vector(canary.port)
    assert len(urls) >= 200
    guard = Guard(ports=frozenset({443, 80, canary.port}))
    async with Post(guard, deadline_s=5) as post:
        failures = {url: (await post.send(url, {}, b"{}")).failure for url in urls}
    await guard.close()
    assert {url: found for url, found in failures.items() if found is not Failure.FORBIDDEN} == {}
    assert canary.connections == 0


async def test_the_canary_hears_who_is_let_through(canary: Sink) -> None:
    guard = Guard(frozenset({"shop.test"}), lookup=names({"shop.test": ["127.0.0.1"]}))
    async with Post(guard, deadline_s=5) as post:
        outcome = await post.send(f"http://shop.test:{canary.port}/hook?a=1", {}, b"{}")
    assert outcome.accepted
    assert canary.requests[0].line == "POST /hook?a=1 HTTP/1.1"
    assert canary.requests[0].headers["host"] == f"shop.test:{canary.port}"


@pytest.mark.parametrize("address", FORBIDDEN_V4 + FORBIDDEN_V6)
async def test_a_name_that_leads_to_a_reserved_address_is_refused(address: str) -> None:
    guard = Guard(lookup=names({"shop.test": [address]}))
    with pytest.raises(UnsafeUrl, match="private or reserved"):
        await guard.addresses("shop.test", 443)


@pytest.mark.parametrize(
    "answers", [*itertools.permutations(["8.8.8.8", "2606:4700:4700::1111", "::1"]), ("8.8.8.8", "10.0.0.1")]
)
async def test_one_bad_address_among_good_ones_refuses_them_all(answers: Sequence[str]) -> None:
    guard = Guard(lookup=names({"shop.test": answers}))
    with pytest.raises(UnsafeUrl):
        await guard.resolve("shop.test", 443)


@pytest.mark.parametrize("address", PUBLIC)
async def test_the_neighbours_of_reserved_networks_are_public(address: str) -> None:
    assert reach(ipaddress.ip_address(address)) is None
    guard = Guard(lookup=names({"shop.test": [address]}))
    assert await guard.complaint("https://shop.test/hook") is None
    assert await guard.complaint(f"https://{literal(address)}/hook") is None


async def test_a_resolver_that_changes_its_answer_never_leads_inside(canary: Sink) -> None:
    # Public while the URL is being registered, then inside in turns.
    answers = itertools.chain([["8.8.8.8"]], itertools.cycle([["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"]]))

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return next(answers)

    guard = Guard(ports=frozenset({canary.port}), lookup=rebinding)
    url = f"https://shop.test:{canary.port}/"
    assert await guard.complaint(url) is None
    async with Post(guard, deadline_s=5) as post:
        failures = [(await post.send(url, {}, b"{}")).failure for _ in range(1000)]
    assert set(failures) == {Failure.FORBIDDEN}
    assert canary.connections == 0


async def test_the_client_connects_to_the_checked_answer_and_never_asks_again(canary: Sink) -> None:
    answers = [["127.0.0.1"], ["192.0.2.1"]]

    async def once(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async with Post(Guard(frozenset({"shop.test"}), lookup=once), deadline_s=5) as post:
        assert (await post.send(f"http://shop.test:{canary.port}/", {}, b"{}")).accepted
    assert answers == [["192.0.2.1"]]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_nothing_follows_it(canary: Sink, status: int) -> None:
    behave = answer(status, Location=f"http://127.0.0.1:{canary.port}/")
    async with sink(behave) as front, Post(Guard(frozenset({"*"})), deadline_s=5) as post:
        outcome = await post.send(front.url, {}, b"{}")
    assert outcome.status == status
    assert not outcome.accepted
    assert canary.connections == 0


@pytest.mark.parametrize(
    ("private_hosts", "url", "allowed"),
    [
        ("", "https://localhost/", False),
        ("localhost", "http://localhost:3000/", True),
        ("LOCALHOST", "http://localhost.:3000/", True),
        ("localhost", "http://127.0.0.1:3000/", False),
        ("localhost", "http://sub.localhost/", False),
        ("127.0.0.1", "http://127.0.0.1:3000/", True),
        ("::1", "http://[0::1]:3000/", True),
        ("localhost", "http://shop.test/", False),
        ("*", "http://shop.test/", True),
        ("*", "http://10.1.2.3:8080/", True),
        ("*", "http://169.254.169.254/", False),
        ("169.254.169.254", "http://169.254.169.254/", False),
        ("*", "http://[fd00:ec2::254]/", False),
        ("*", "http://[64:ff9b::7f00:1]/", False),
        ("*", "http://0.0.0.0:3000/", False),
        ("*", "http://user@localhost/", False),
    ],
)
async def test_the_opt_in_opens_exactly_the_hosts_it_names_and_never_metadata(
    private_hosts: str, url: str, allowed: bool
) -> None:
    lookup = names({"localhost": ["127.0.0.1"], "shop.test": ["8.8.8.8"], "sub.localhost": ["127.0.0.1"]})
    guard = Guard(frozenset(private_hosts.split()), lookup=lookup)
    assert (await guard.complaint(url) is None) is allowed


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://shop.test/", "must begin with https"),
        ("https://shop.test:22/", "port must be one of 443, 8443"),
        ("https://me@shop.test/", "without user name"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://münchen.test/", "plain ASCII"),
        ("https://10.0.0.1/", "private or reserved"),
        ("https://nowhere.test/", "could not be resolved"),
    ],
)
async def test_a_complaint_says_what_to_change(url: str, complaint: str) -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert complaint in (await Guard(lookup=nowhere).complaint(url) or "")


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTPS://Shop.Test", "https://shop.test/"),
        ("https://shop.test.:443/a%2Fb/../c?x=1&y=%20", "https://shop.test/a%2Fb/../c?x=1&y=%20"),
        ("https://[2606:4700:4700:0::1111]:8443/", "https://[2606:4700:4700::1111]:8443/"),
        ("http://shop.test:80/?", "http://shop.test/"),
    ],
)
def test_a_url_has_one_spelling_and_its_path_goes_out_as_written(url: str, canonical: str) -> None:
    assert read_url(url).url == canonical


async def test_the_system_resolver_is_asked_for_real_names() -> None:
    guard = Guard(frozenset({"localhost"}))
    assert ipaddress.ip_address("127.0.0.1") in await guard.addresses("localhost", 443)
    await guard.close()
