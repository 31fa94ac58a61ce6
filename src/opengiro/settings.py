"""What an operator decides, read once at start and handed down. Nothing below the command and the wiring sees it.

The environment goes before the file, the file before the default. Whatever is wrong stops the start with a sentence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

PREFIX = "OPENGIRO_"
CONFIG = Path("opengiro.toml")
"""The file that is read, where there is one, unless another is named."""

SECRETS = frozenset({"root_key", "database_url"})
HOLDS = ("copies", "always", "never")
_KEY_BYTES = 32
_SHUTDOWN_S_MAX = 600
_PORT_MAX = 65535
_WORKERS_MAX = 256
_REQUESTS_MAX = 1_000_000
_HOST = re.compile(r"\*|[0-9A-Za-z._-]{1,254}|[0-9A-Fa-f:.]{2,45}", re.ASCII)
_OTHERS = re.compile(r"OPENGIRO_(CONFIG|ENVIRONMENT|WIDGET_URL|POWENS_\w+|BANQ_\w+)", re.ASCII)
"""Names beginning like ours that are read elsewhere: by the command line, and by the merchant's kit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One server's settings; `base_url` is its public address without a trailing slash."""

    data: Path = Path("data")  #: folder of the database and of the keys
    database_url: str = field(default="", repr=False)  #: of PostgreSQL; empty keeps everything in a SQLite file
    host: str = "127.0.0.1"
    port: int = 8000
    base_url: str = ""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")  #: whose word on a visitor's address is taken
    private_hosts: frozenset[str] = frozenset()  #: hosts in private networks that webhooks may go to; "*" is all
    workers: int = 1  #: web processes; with more than one, another one works
    shutdown_s: int = 10  #: how long those who are being served at the end may take
    requests_at_once: int = 64  #: new requests a process works on at a time before it turns more away; 0 is no limit
    writes_per_s: int = 0  #: calls that change something, for each merchant; 0 is no limit
    reads_per_s: int = 0  #: calls that only read, for each merchant; 0 is no limit
    log_requests: bool = True  #: one line for each request
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0  #: where Prometheus fetches; further processes take the next ports; 0 is nowhere
    hold: str = "copies"  #: what is held until `opengiro release`: copies of a database, always, or never
    root_key: bytes = field(default=b"", repr=False)  #: empty leaves it to the file `root.key`

    @property
    def own_url(self) -> str:
        """Where browsers and banks reach this server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data / "opengiro.db"

    @property
    def root_key_file(self) -> Path:
        """Where the root key is, unless it is a setting."""
        return self.data / "root.key"


class WrongSetting(Exception):
    """A setting cannot be used; the message is a sentence that names it and where it was found."""


Value = str | int | list[str]


def read_settings(
    config: Path | None, environment: Mapping[str, str], options: Mapping[str, object] = MappingProxyType({})
) -> Settings:
    """Read the file (`opengiro.toml` unless another is named), the environment and options; raises `WrongSetting`."""
    found: dict[str, tuple[str, object]] = {name: (f"{name} in {path}", value) for name, path, value in _file(config)}
    found |= {name: (variable, value) for name, variable, value in _variables(environment)}
    found |= {name: (f"--{name}", value) for name, value in options.items()}
    values = {}
    for name, (where, raw) in found.items():
        try:
            values[name] = _READERS[name](raw)
        except ValueError as trouble:
            raise WrongSetting(f"{where} {trouble}.") from None
    settings = Settings(**values)
    if not settings.base_url and not is_loopback(settings.host):
        text = f"base_url is missing: the server listens on {settings.host}, so it has to know its public address."
        raise WrongSetting(text)
    if settings.metrics_port == settings.port:
        raise WrongSetting(f"metrics_port is {settings.port}, where the server itself listens: choose another.")
    return settings


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host of this name."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _file(config: Path | None) -> list[tuple[str, Path, object]]:
    path = config or CONFIG
    if config is None and not path.exists():
        return []
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as trouble:
        raise WrongSetting(f"The settings file {path} cannot be read: {trouble.strerror}.") from None
    except ValueError as trouble:
        raise WrongSetting(f"The settings file {path} is not TOML: {trouble}.") from None
    for name in table:
        if name not in _READERS:
            raise WrongSetting(f"{name} in {path} is no setting: known are {', '.join(sorted(_READERS))}.")
    return [(name, path, value) for name, value in table.items()]


def _variables(environment: Mapping[str, str]) -> list[tuple[str, str, object]]:
    found: list[tuple[str, str, object]] = []
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or _OTHERS.fullmatch(variable):
            continue
        name = variable.removeprefix(PREFIX).lower()
        secret = name.removesuffix("_file")
        if name != secret and secret in SECRETS:
            if PREFIX + secret.upper() in environment:
                raise WrongSetting(f"{variable} and {PREFIX}{secret.upper()} are both set: keep one.")
            found.append((secret, variable, _secret(variable, Path(text))))
        elif name in _READERS:
            found.append((name, variable, _typed(name, variable, text)))
        else:
            raise WrongSetting(f"{variable} is no setting: known are {', '.join(map(_variable, sorted(_READERS)))}.")
    return found


def _secret(variable: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as trouble:
        raise WrongSetting(f"{variable} names {path}, which cannot be read: {trouble.strerror}.") from None
    except ValueError:
        raise WrongSetting(f"{variable} names {path}, which is not a text.") from None
    if not text:
        raise WrongSetting(f"{variable} names {path}, which is empty.")
    return text


def _typed(name: str, variable: str, text: str) -> Value:
    """Return what the variable would be in the file: a number, a list apart by commas, or the text itself."""
    default = _DEFAULTS[name]
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise WrongSetting(f"{variable} must be true or false, and is {text!r}.")
        return text == "true"
    if isinstance(default, int):
        if not re.fullmatch("[0-9]{1,9}", text, re.ASCII):
            raise WrongSetting(f"{variable} must be a whole number, and is {text!r}.")
        return int(text)
    if isinstance(default, tuple | frozenset):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"must be a text in quotes, and is {raw!r}")  # noqa: TRY004  # the file is wrong, not our caller
    return raw


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(f"must be true or false, and is {raw!r}")  # noqa: TRY004  # as above
    return raw


def _folder(raw: object) -> Path:
    if not _text(raw):
        raise ValueError("must name a folder, and is empty")
    return Path(_text(raw))


def _database_url(raw: object) -> str:
    text = _text(raw)
    if text and not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")  # never the value: it may hold a password
    hosts = text.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
    if not all(map(_is_place, hosts.split(","))):
        form = "postgresql://user:password@host:port/database"
        raise ValueError(f"must be {form}, with / and @ in a password written as %2F and %40")
    return text


def _is_place(text: str) -> bool:
    """Whether this names a host, with or without a port; empty is this machine."""
    found = re.fullmatch(r"(?:\[(?P<v6>[^\[\]]+)\]|[^\[\]:\s]*)(?::(?P<port>[0-9]{1,5}))?", text, re.ASCII)
    if found is None or not 0 < int(found["port"] or 1) <= _PORT_MAX:
        return False
    try:
        return not found["v6"] or bool(IPv6Address(found["v6"]))
    except ValueError:
        return False


def _host(raw: object) -> str:
    text = _text(raw)
    if text != "localhost":
        try:
            ip_address(text)
        except ValueError:
            raise ValueError(f"must be an address of this machine, such as 127.0.0.1, and is {text!r}") from None
    return text


def _between(least: int, most: int) -> Callable[[object], int]:
    def read(raw: object) -> int:
        if type(raw) is not int or not least <= raw <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, and is {raw!r}")
        return raw

    return read


def _base_url(raw: object) -> str:
    text = _text(raw)
    if not text:
        return text
    scheme, host = _origin(text.lower())
    if scheme not in ("http", "https") or not host:
        raise ValueError(f"must be https:// and a host, without a slash or path after it, and is {text!r}")
    if scheme == "http" and not is_loopback(host):
        raise ValueError(f"must begin with https://, because payers and secrets pass there, and is {text!r}")
    return text.lower()


def _origin(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL that has nothing else but a port; of others the host is empty."""
    try:
        parts = urlsplit(url)
        bare = url == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return "", ""
    return parts.scheme, (parts.hostname or "") if bare and url.isascii() and " " not in url else ""


def _texts(raw: object) -> list[str]:
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise ValueError(f"must be a list of texts, and is {raw!r}")
    return raw


def _proxies(raw: object) -> tuple[str, ...]:
    for one in _texts(raw):
        try:
            ip_network(one)
        except ValueError:
            raise ValueError(f"must list addresses or networks, and has {one!r}") from None
    return tuple(_texts(raw))


def _private_hosts(raw: object) -> frozenset[str]:
    for one in _texts(raw):
        if not _HOST.fullmatch(one):
            raise ValueError(f'must list host names, addresses or "*", and has {one!r}')
    return frozenset(_texts(raw))


def _hold(raw: object) -> str:
    if _text(raw) not in HOLDS:
        raise ValueError(f"must be one of {', '.join(HOLDS)}, and is {raw!r}")
    return _text(raw)


def _root_key(raw: object) -> bytes:
    try:
        key = bytes.fromhex(_text(raw))
    except ValueError:
        key = b"?"
    if len(key) not in (0, _KEY_BYTES):
        raise ValueError(f"must be {_KEY_BYTES} bytes as {_KEY_BYTES * 2} hexadecimal digits")  # never the value
    return key


_READERS: Mapping[str, Callable[[object], Any]] = {
    "data": _folder,
    "database_url": _database_url,
    "host": _host,
    "port": _between(1, _PORT_MAX),
    "base_url": _base_url,
    "proxies": _proxies,
    "private_hosts": _private_hosts,
    "workers": _between(1, _WORKERS_MAX),
    "shutdown_s": _between(1, _SHUTDOWN_S_MAX),
    "requests_at_once": _between(0, _REQUESTS_MAX),
    "writes_per_s": _between(0, _REQUESTS_MAX),
    "reads_per_s": _between(0, _REQUESTS_MAX),
    "log_requests": _flag,
    "metrics_host": _host,
    "metrics_port": _between(0, _PORT_MAX),
    "hold": _hold,
    "root_key": _root_key,
}
_DEFAULTS = {one.name: one.default for one in fields(Settings)}
