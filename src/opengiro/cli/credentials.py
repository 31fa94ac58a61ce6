"""The demo merchant of a laptop and its credentials: made once, kept in `dev.json`, the same after every restart."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opengiro.domain.identifiers import client_id as draw_client_id
from opengiro.domain.identifiers import merchant_of
from opengiro.domain.merchants import Application, Merchant
from opengiro.usecases.change_settings import change_settings
from opengiro.usecases.grant_token import grant_configuration_token

if TYPE_CHECKING:
    from pathlib import Path

    from opengiro.usecases import Core

MERCHANT_ID = 1
DOMAIN = "demo-sandbox"
_ACTOR = "opengiro dev"


async def settle_in(core: Core, known: dict[str, Any]) -> dict[str, Any]:
    """Make the demo merchant and its application unless they exist, and return what `dev.json` is to say."""
    if await core.store.merchants.load(MERCHANT_ID) is None:
        await core.store.merchants.save(_MERCHANT, core.clock.real())
        await change_settings(core, MERCHANT_ID, {"payment.periodic.enabled": "1"}, _ACTOR)
    before = known.get("powens", {})
    application, secret = await _application(core, before)
    return {
        "base_url": core.own_url,
        "shop_url": f"{core.own_url}/shop",
        "inbox_url": f"{core.own_url}/inbox",
        "powens": {
            "base_url": f"{core.own_url}/2.0",
            "domain": DOMAIN,
            "client_id": application.client_id,
            "client_secret": secret,
            "config_token": await _config_token(core, before.get("config_token", "")),
            "redirect_uris": list(application.redirect_uris),
        },
    }


_MERCHANT = Merchant(
    merchant_id=MERCHANT_ID,
    domain=DOMAIN,
    name="Brise & Fils",
    legal_name="Brise et Fils SARL",
    zone="Europe/Paris",
)


async def _application(core: Core, known: dict[str, Any]) -> tuple[Application, str]:
    """Return the demo application with its secret, which only `dev.json` knows; without it a new one is made."""
    fingerprint = core.store.vault.fingerprint
    listed = await core.store.applications.all(MERCHANT_ID)
    found = next((one for one in listed if one.client_id == known.get("client_id")), None)
    secret = known.get("client_secret", "")
    if found is not None and secret and fingerprint(secret) == found.secret_hash:
        return await _reachable(core, found), secret
    secret = secrets.token_urlsafe(32)
    application = Application(
        merchant_id=MERCHANT_ID,
        client_id=draw_client_id(MERCHANT_ID, core.chance(4)),
        name="Demo shop",
        redirect_uris=_redirect_uris(core.own_url),
        secret_hash=fingerprint(secret),
        created_at=core.clock.real(),
    )
    await core.store.applications.insert(application, _ACTOR)
    return application, secret


async def _reachable(core: Core, application: Application) -> Application:
    """Register today's own addresses too: the port may be another one than at the last start."""
    ours = _redirect_uris(core.own_url)
    if set(ours) <= set(application.redirect_uris):
        return application
    others = tuple(uri for uri in application.redirect_uris if uri not in ours)
    changed = replace(application, redirect_uris=ours + others)
    await core.store.applications.update(changed, application, _ACTOR, core.clock.real())
    return changed


def _redirect_uris(own_url: str) -> tuple[str, ...]:
    hosts = (own_url, own_url.replace("127.0.0.1", "localhost"))
    return tuple(f"{host}{path}" for host in hosts for path in ("/shop/return", "/inbox/callback"))


async def _config_token(core: Core, known: str) -> str:
    if merchant_of(known) is not None and await core.store.tokens.load(known) is not None:
        return known
    return await grant_configuration_token(core, MERCHANT_ID)


def load_world(path: Path) -> dict[str, Any]:
    """Return what `dev.json` says, nothing before the first start; raises `ValueError` when it is not ours."""
    try:
        world = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    powens = world.get("powens", {}) if isinstance(world, dict) else None
    if not isinstance(powens, dict):
        raise ValueError("there are no credentials in it")  # noqa: TRY004  # the file is wrong, not our caller
    for name in ("client_id", "client_secret", "config_token"):
        if not isinstance(powens.get(name, ""), str):
            raise ValueError(f"its {name} is no text")  # noqa: TRY004  # as above
    return dict(world)


def save_world(folder: Path, world: dict[str, Any]) -> None:
    """Write `dev.json`, and the same for shells as `dev.env`."""
    _save(folder / "dev.json", json.dumps(world, indent=2) + "\n")
    _save(folder / "dev.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in _shell(world)))


def _shell(world: dict[str, Any]) -> list[tuple[str, str]]:
    powens = world["powens"]
    names = ("base_url", "domain", "client_id", "client_secret", "config_token")
    return [
        *((f"POWENS_{name.upper()}", powens[name]) for name in names),
        ("POWENS_REDIRECT_URI", f"{world['inbox_url']}/callback"),
    ]


def _save(path: Path, text: str) -> None:
    """Write at once or not at all, readable by its owner only: it holds secrets."""
    draft = path.with_suffix(".tmp")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
