"""A bank's answer, with the oddities of how banks write smoothed out: links in every form, headers in any case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from opengiro.domain.banks import Reply

_STATUS_LENGTH_MAX = 40
_MESSAGE_LENGTH_MAX = 500
_WAIT_MAX = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A bank's answer with its oddities smoothed out; `links` are absolute, those without address are dropped."""

    status: int
    body: Mapping[str, Any]
    links: Mapping[str, str]
    approach: str | None = None
    retry_after: timedelta | None = None

    def text(self, name: str) -> str | None:
        """Return a member of the body if it is a text with something in it."""
        value = self.body.get(name)
        return value if isinstance(value, str) and value else None

    @property
    def payment_status(self) -> str:
        """The payment's status as the bank wrote it, empty if it wrote none."""
        return (self.text("transactionStatus") or "")[:_STATUS_LENGTH_MAX]

    @property
    def for_payer(self) -> str | None:
        """What the bank wants the payer to read."""
        message = self.text("psuMessage")
        return message and message[:_MESSAGE_LENGTH_MAX]

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """What the bank says to us, as a list of objects whatever it sent."""
        listed = self.body.get("tppMessages")
        return [message for message in listed if isinstance(message, dict)] if isinstance(listed, list) else []


def read_answer(reply: Reply, base_url: str, url: str) -> Answer:
    """Read a reply as tolerantly as banks write it; what is no JSON object counts as an empty one."""
    try:
        body = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    headers = {name.lower(): text for name, text in reply.headers.items()}
    return Answer(
        status=reply.status,
        body=body,
        links=_links(body.get("_links"), base_url, url),
        approach=headers.get("aspsp-sca-approach", "").strip().upper() or None,
        retry_after=_wait(headers),
    )


def _links(listed: object, base_url: str, url: str) -> dict[str, str]:
    if not isinstance(listed, dict):
        return {}
    found = {}
    for name, link in listed.items():
        href = link.get("href") if isinstance(link, dict) else link
        address = _absolute(href, base_url, url) if isinstance(href, str) and href else None
        if address:
            found[name] = address
    return found


def _absolute(href: str, base_url: str, url: str) -> str | None:
    if not (href.isascii() and href.isprintable()) or " " in href:
        return None
    if href.startswith("/v1/"):
        # Banks behind a gateway write addresses from their own root, unaware of the path we reach them by.
        return base_url.rstrip("/") + href
    try:
        return urljoin(url, href)
    except ValueError:
        return None


def _wait(headers: Mapping[str, str]) -> timedelta | None:
    text = headers.get("retry-after", "").strip()
    if text.isdecimal() and text.isascii():
        return min(timedelta(seconds=int(text[:9])), _WAIT_MAX)
    try:
        # The bank's own date is the only clock its deadline may be measured by.
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(wait, timedelta()), _WAIT_MAX)


def same_bank(url: str, base_url: str) -> bool:
    """Tell whether an address a bank named is at the bank: only there do we send anything."""
    there, here = urlsplit(url), urlsplit(base_url)
    return (there.scheme, there.netloc) == (here.scheme, here.netloc)
