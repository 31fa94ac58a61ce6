"""What browsers send: a few urlencoded fields, each at most once, with the token of the session that printed them."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from opengiro.domain.accounts import Account, Scheme
from opengiro.usecases.check_account import AccountFault, check_iban

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from opengiro.domain.banks import Field
    from opengiro.web.checkout.view import Review

BODY_BYTES_MAX = 16 * 1024
FIELDS_MAX = 64
_ANSWER_LENGTH_MAX = 256
_TYPE = "application/x-www-form-urlencoded"


class FormFault(Exception):
    """The body is no form of ours, or of another session; nothing was done."""


def form_token(secret: str, handle: str) -> str:
    """Return the token that forms of this session carry; it tells nothing about the session's secret."""
    return hmac.new(secret.encode(), b"form " + handle.encode(), hashlib.sha256).hexdigest()


async def read_form(request: Request, secret: str, handle: str) -> Mapping[str, str]:
    """Return the fields of a form of this session; raises `FormFault`."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _TYPE:
        raise FormFault("not a form")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise FormFault("sent by another site")
    fields = _fields(await _body(request))
    if not hmac.compare_digest(fields.get("csrf", "").encode(), form_token(secret, handle).encode()):
        raise FormFault("of another session")
    return fields


async def read_open_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form that proves itself by what it holds, as a code does; raises `FormFault`."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _TYPE:
        raise FormFault("not a form")
    return _fields(await _body(request))


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise FormFault("too large")
    return body


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as fault:
        raise FormFault("not readable") from fault
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\0" in value for value in fields.values()):
        raise FormFault("ambiguous")
    return fields


def read_choice(page: Review, fields: Mapping[str, str]) -> tuple[Account | None, dict[str, str]]:
    """Return the payer's account, if it was needed, and what is wrong with the form."""
    complaints: dict[str, str] = {}
    payer = None
    if page.needs_iban:
        try:
            payer = Account(Scheme.IBAN, check_iban(fields.get("iban", "")), "")
        except AccountFault:
            complaints["iban"] = "iban_wrong" if fields.get("iban", "").strip() else "iban_missing"
    if page.terms_url and fields.get("terms") != "yes":
        complaints["terms"] = "terms"
    return payer, complaints


def read_asked(asked: tuple[Field, ...], fields: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the answers that were given, and what is wrong with them by the id of the element."""
    values = {one.name: fields.get(one.name, "").strip()[:_ANSWER_LENGTH_MAX] for one in asked}
    complaints = {f"field-{one.name}": word for one in asked if (word := _fault(one, values[one.name]))}
    return {name: value for name, value in values.items() if value}, complaints


def _fault(asked: Field, value: str) -> str | None:
    """Return the word for what is wrong with an answer."""
    if not value:
        return "missing" if asked.required else None
    if asked.choices:
        return None if value in dict(asked.choices) else "choice"
    if asked.regex and not re.fullmatch(asked.regex, value):
        return "pattern"
    return None
