"""Client applications of the powens wire: credentials, and the redirect URIs they may use (PU8, PU9, PU10).

Redirect URIs are compared character by character; regular expressions are not supported. Plain http is
accepted for any host, since shops are built on machines without certificates.
"""

from __future__ import annotations

import re

from msgspec import Struct

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.read import read_body, read_number, read_redirect_uri, text_fault
from opengiro.dialects.powens.write import answer
from opengiro.domain.complaints import Complaints
from opengiro.domain.merchants import Application
from opengiro.usecases.register_application import (
    ApplicationChange,
    change_application,
    delete_application,
    find_application,
    register_application,
)

ACTOR = "configuration token"
NAME_LENGTH_MAX = 255
URIS_MAX = 100
_SEPARATORS = re.compile(r"[\s,]+")


class ClientIn(Struct):
    """Body of a client that is made or changed; keys and colours of the original are ignored."""

    name: str | None = None
    redirect_uris: str | list[str] | None = None
    config: dict[str, str] | None = None


class ClientOut(Struct):
    """Client application. The secret is present when it was just made; only its hash is kept."""

    id: int
    name: str
    secret: str | None
    public_key: None
    private_key: None
    redirect_uris: str
    id_logo: None
    config: dict[str, str]


class ClientsOut(Struct):
    """A merchant's clients."""

    clients: list[ClientOut]
    total: int


async def list_clients(call: Call) -> Answer:
    """List the merchant's clients."""
    known = await call.core.store.applications.all(call.caller.merchant_id)
    return answer(ClientsOut([_write(one) for one in known], len(known)))


async def create_client(call: Call) -> Answer:
    """Make a client; its secret is in the answer, this once."""
    merchant_id = call.caller.merchant_id
    application, secret = await register_application(call.core, merchant_id, _read(call), ACTOR)
    return answer(_write(application, secret), 201)


async def read_client(call: Call) -> Answer:
    """Read one client."""
    return answer(_write(await find_application(call.core, call.caller.merchant_id, _client_id(call))))


async def change_client(call: Call) -> Answer:
    """Change name, redirect URIs or configuration of a client; what is absent stays."""
    merchant_id = call.caller.merchant_id
    return answer(_write(await change_application(call.core, merchant_id, _client_id(call), _read(call), ACTOR)))


async def delete_client(call: Call) -> Answer:
    """End a client; its tokens end with it."""
    await delete_application(call.core, call.caller.merchant_id, _client_id(call), ACTOR)
    return Answer(204, b"")


def _client_id(call: Call) -> str:
    return str(read_number(call, "client_id"))


def _read(call: Call) -> ApplicationChange:
    body = read_body(call, ClientIn)
    wrong = Complaints()
    if body.name is not None and (fault := text_fault(body.name, NAME_LENGTH_MAX)):
        wrong.add("name", fault)
    uris = _read_uris(body.redirect_uris, wrong)
    wrong.raise_any()
    return ApplicationChange(name=body.name, redirect_uris=uris, config=body.config)


def _read_uris(given: str | list[str] | None, wrong: Complaints) -> tuple[str, ...] | None:
    """Return the URIs of an array, or of a text split at spaces and commas (PU8); none at all allows none (PU9)."""
    if given is None:
        return None
    uris = [one for one in _SEPARATORS.split(given) if one] if isinstance(given, str) else given
    if len(uris) > URIS_MAX:
        wrong.add("redirect_uris", f"holds at most {URIS_MAX}")
        return None
    for at, uri in enumerate(uris):
        read_redirect_uri(uri, f"redirect_uris[{at}]", wrong, query=True)
        if "," in uri:
            wrong.add(f"redirect_uris[{at}]", "carries no comma, which would separate two")
    return tuple(dict.fromkeys(uris))


def _write(application: Application, secret: str | None = None) -> ClientOut:
    return ClientOut(
        id=int(application.client_id),
        name=application.name,
        secret=secret,
        public_key=None,
        private_key=None,
        redirect_uris=" ".join(application.redirect_uris),
        id_logo=None,
        config=dict(application.config),
    )
