"""Register, change and end a merchant's applications. A secret is shown when it is made, never again."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace

from opengiro.domain.identifiers import client_id as draw_client_id
from opengiro.domain.merchants import Application
from opengiro.domain.refusals import Refusal, Refused
from opengiro.store import Conflict
from opengiro.usecases import Core

_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationChange:
    """What to change of an application; None keeps what it has."""

    name: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    config: Mapping[str, str] | None = None


async def register_application(
    core: Core, merchant_id: int, wanted: ApplicationChange, actor: str
) -> tuple[Application, str]:
    """Make an application and return it with its secret."""
    secret = urlsafe_b64encode(core.chance(32)).decode().rstrip("=")
    for _ in range(_TRIES):
        blank = Application(
            merchant_id=merchant_id,
            client_id=draw_client_id(merchant_id, core.chance(4)),
            name="",
            redirect_uris=(),
            secret_hash=core.store.vault.fingerprint(secret),
            created_at=core.now(merchant_id),
        )
        application = _changed(blank, wanted)
        try:
            await core.store.applications.insert(application, actor)
        except Conflict:
            continue
        return application, secret
    raise RuntimeError("no free client id was drawn")


async def change_application(
    core: Core, merchant_id: int, client_id: str, wanted: ApplicationChange, actor: str
) -> Application:
    """Change name, redirect URIs or configuration of an application."""
    before = await find_application(core, merchant_id, client_id)
    after = _changed(before, wanted)
    try:
        await core.store.applications.update(after, before, actor, core.now(merchant_id))
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None
    return after


async def delete_application(core: Core, merchant_id: int, client_id: str, actor: str) -> None:
    """End an application; its tokens end with it."""
    application = await find_application(core, merchant_id, client_id)
    try:
        await core.store.applications.delete(application, actor, core.now(merchant_id))
    except Conflict:
        raise Refused(Refusal.NOT_FOUND) from None


async def find_application(core: Core, merchant_id: int, client_id: str) -> Application:
    """Return a merchant's application, or refuse."""
    application = await core.store.applications.load(merchant_id, client_id)
    if application is None:
        raise Refused(Refusal.NOT_FOUND)
    return application


def _changed(application: Application, wanted: ApplicationChange) -> Application:
    return replace(
        application,
        name=application.name if wanted.name is None else wanted.name,
        redirect_uris=application.redirect_uris if wanted.redirect_uris is None else wanted.redirect_uris,
        config=application.config if wanted.config is None else {**application.config, **wanted.config},
    )
