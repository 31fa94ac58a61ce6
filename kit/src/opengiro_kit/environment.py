"""Where the services are and who we are there, read from variables or a file: going live changes nothing else.

`environment` is `sandbox` or `production`, which are the published addresses of the original services, or the address
of a server of your own. Any address may also be given outright, which is how `dev.json` does it.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from opengiro_kit import banq as banq_wire
from opengiro_kit import powens as powens_wire

Credentials = TypeVar("Credentials", powens_wire.Credentials, banq_wire.Credentials)

SANDBOX = "sandbox"
PRODUCTION = "production"
PREFIX = "OPENGIRO_"
_SANDBOX_SUFFIX = "-sandbox"


class Unconfigured(Exception):
    """The configuration lacks something, or names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where one environment's services are; the original ones state no currency, so theirs is told along."""

    powens_url: str
    banq_url: str
    banq_token_url: str
    widget_url: str = ""
    banq_currency: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a shop is configured with; a wire without a client id is not used."""

    environment: str
    powens: powens_wire.Credentials | None = None
    banq: banq_wire.Credentials | None = None
    widget_url: str = ""


def addresses(environment: str, domain: str = "") -> Addresses:
    """Return the addresses of an environment.

    Args:
        environment: `sandbox`, `production`, or the address of an OpenGiro server.
        domain: the merchant's domain on the original powens service.

    Raises:
        Unconfigured: it is none of these.
    """
    if environment == SANDBOX:
        bare = domain.removesuffix(_SANDBOX_SUFFIX)
        return Addresses(
            f"https://{bare}{_SANDBOX_SUFFIX}.biapi.pro/2.0",
            "https://sandbox.banq.com/api/",
            "https://banq-staging.auth0.com/oauth/token",
            "https://sandbox.banq.com/widget/ecommerce.js",
            "USD",
        )
    if environment == PRODUCTION:
        return Addresses(
            f"https://{domain}.biapi.pro/2.0",
            "https://api.banq.com/api/",
            "https://banq-prod.auth0.com/oauth/token",
            banq_currency="USD",
        )
    return own_server(environment)


def own_server(url: str) -> Addresses:
    """Return the addresses of an OpenGiro server.

    Raises:
        Unconfigured: it is no address.
    """
    if not url.startswith(("https://", "http://")):
        raise Unconfigured(f"the environment {url!r} is neither sandbox nor production nor an address")
    root = url.rstrip("/")
    return Addresses(f"{root}/2.0", f"{root}/api/", f"{root}/oauth/token", f"{root}/widget/ecommerce.js")


def from_env(variables: Mapping[str, str] = os.environ) -> Settings:
    """Read `OPENGIRO_ENVIRONMENT`, `OPENGIRO_POWENS_CLIENT_ID`, `OPENGIRO_BANQ_PASSWORD` and the like.

    Raises:
        Unconfigured: there is no environment, or no such one.
    """
    tables: dict[str, Any] = {"powens": {}, "banq": {}}
    for name, value in variables.items():
        if not name.startswith(PREFIX):
            continue
        wire, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if key and wire in {"powens", "banq"}:
            tables[wire][key] = value
        else:
            tables[name.removeprefix(PREFIX).lower()] = value
    return from_tables(tables)


def from_toml(path: str | PathLike[str]) -> Settings:
    """Read the same from a file: `environment = "sandbox"` and the tables `[powens]` and `[banq]`.

    Raises:
        Unconfigured: there is no environment, or no such one.
    """
    return from_tables(tomllib.loads(Path(path).read_text()))


def from_tables(tables: Mapping[str, Any]) -> Settings:
    """Read the same from values that are at hand, `dev.json` for one.

    Raises:
        Unconfigured: a wire is used whose address is told by nobody.
    """
    environment = str(tables.get("environment", ""))
    told_powens, told_banq = dict(tables.get("powens") or {}), _flat(tables.get("banq") or {})
    known = addresses(environment, told_powens.get("domain", "")) if environment else Addresses("", "", "")
    own_powens = {"base_url": known.powens_url}
    own_banq = {"base_url": known.banq_url, "token_url": known.banq_token_url, "currency": known.banq_currency}
    return Settings(
        environment,
        _credentials(powens_wire.Credentials, own_powens | told_powens) if told_powens.get("client_id") else None,
        _credentials(banq_wire.Credentials, own_banq | told_banq) if told_banq.get("client_id") else None,
        tables.get("widget_url", known.widget_url),
    )


def _credentials(kind: type[Credentials], told: Mapping[str, Any]) -> Credentials:
    names = {one.name for one in fields(kind)}
    known = {name: _value(name, value) for name, value in told.items() if name in names}
    missing = [name for name in ("base_url", "token_url") if name in names and not known.get(name)]
    if missing:
        raise Unconfigured(f"{', '.join(missing)} is not told: name an environment, or give the address")
    return kind(**known)


def _value(name: str, told: Any) -> Any:
    if name == "spelling":
        return banq_wire.Spelling[str(told).upper()]
    return tuple(told) if isinstance(told, list) else str(told)


def _flat(told: Mapping[str, Any]) -> dict[str, Any]:
    """Put the merchant user's own table, `dev.json` has one, beside the rest."""
    user = told.get("user") or {}
    named = {"client_id": "user_client_id", "username": "user_name", "password": "user_password"}
    return {**told, **{named[key]: value for key, value in user.items() if key in named}}
