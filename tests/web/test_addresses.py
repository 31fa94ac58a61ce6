"""The addresses of the checkout without a browser: who may use them, what they refuse, and which headers they send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import httpx2
import pytest

from opengiro.connectors import HttpLine
from tests.server import REDIRECT_URI, House
from tests.web.payer import link

FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that follows no redirect by itself."""

    house: House
    http: httpx2.AsyncClient
    base: str
    payment_id: int

    async def token(self) -> str:
        """Return the form token that the page prints."""
        page = await self.http.get(self.base)
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert found
        return found[1]

    async def sends(self, verb: str, fields: dict[str, str] | str, **headers: str) -> httpx2.Response:
        """Post a form."""
        body = fields if isinstance(fields, str) else urlencode(fields)
        return await self.http.post(f"{self.base}/{verb}", content=body, headers=FORM | headers)

    def bank(self, name: str) -> str:
        """Return the id of a bank."""
        return next(bank.bank_id for bank in self.house.core.store.banks.all() if bank.name == name)


@pytest.fixture
async def visit(house: House) -> Visit:
    payment = await house.pay()
    http = house.http
    entry = await http.get(await link(house, payment["id"]))
    assert entry.status_code == 303
    return Visit(house, http, entry.headers["location"], payment["id"])


async def test_the_token_is_gone_from_the_address_after_one_step(visit: Visit) -> None:
    """T05, PU34."""
    assert "code" not in visit.base
    assert "?" not in visit.base


@pytest.mark.parametrize("name", ["localhost", "shop.localhost"])
async def test_a_laptop_called_by_another_of_its_names_keeps_the_session(house: House, name: str) -> None:
    payment = await house.pay()
    port = house.base_url.rpartition(":")[2]
    address = await link(house, payment["id"])
    entry = await house.http.get(address, headers={"host": f"{name}:{port}"})
    assert (entry.status_code, entry.headers["location"]) == (307, address)
    assert (await house.http.get(address)).status_code == 303


async def test_every_page_forbids_framing_caching_and_strangers(visit: Visit) -> None:
    """T07 and the table of headers."""
    for path in ("", f"/banks/{visit.bank('Horizon Bleu')}"):
        page = await visit.http.get(visit.base + path)
        policy = page.headers["content-security-policy"]
        nonce = re.search(r'nonce="([^"]+)"', page.text)
        assert nonce is not None
        assert policy == (
            f"default-src 'none'; script-src 'nonce-{nonce[1]}' 'strict-dynamic'; style-src 'nonce-{nonce[1]}'; "
            "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
            "frame-ancestors 'none'; require-trusted-types-for 'script'"
        )
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cross-origin-opener-policy"] == "same-origin-allow-popups"
        assert page.headers["x-content-type-options"] == "nosniff"


async def test_files_are_kept_for_a_year_compressed_and_only_under_their_own_name(visit: Visit) -> None:
    page = await visit.http.get(visit.base)
    address = re.search(r'href="(/checkout-assets/[0-9a-f]+/)checkout.css"', page.text)
    assert address is not None
    root = visit.house.base_url + address[1]
    css = await visit.http.get(root + "checkout.css", headers={"accept-encoding": "gzip"})
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert css.headers["content-encoding"] == "gzip"
    assert (await visit.http.get(root + "view.py")).status_code == 404
    assert (await visit.http.get(root.replace(address[1], "/checkout-assets/0/") + "checkout.css")).status_code == 404


@pytest.mark.parametrize("verb", ["choose", "answer", "check", "cancel"])
@pytest.mark.parametrize(
    "body",
    [
        "",
        "csrf=",
        "csrf=00",
        "csrf=%FF",
        "csrf=a&csrf=a",
        "not a form",
        "a=" + "x" * 20_000,
        "&a=1" * 99,
    ],
    ids=["nothing", "empty", "guessed", "bytes", "twice", "prose", "large", "many"],
)
async def test_a_form_that_we_did_not_print_does_nothing(visit: Visit, verb: str, body: str) -> None:
    answer = await visit.sends(verb, body)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "This page was too old to be sent" in answer.text
    assert (await visit.house.call("GET", f"/payments/{visit.payment_id}")).json()["state"] == "created"


async def test_a_form_from_another_site_does_nothing(visit: Visit) -> None:
    token = await visit.token()
    answer = await visit.sends("cancel", {"csrf": token}, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 400
    assert (await visit.sends("cancel", {"csrf": token})).status_code == 303


async def test_a_bank_that_was_never_offered_cannot_be_chosen(visit: Visit) -> None:
    token = await visit.token()
    answer = await visit.sends("choose", {"csrf": token, "bank": "../../etc"})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_payer_may_leave_while_a_bank_gives_no_clear_answer(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U12: it may take 20 minutes until it is certain, and nobody has to sit through them."""
    monkeypatch.setattr(HttpLine.send, "__defaults__", (b"", 0.5))  # this bank never answers; the real wait is 15 s
    await visit.sends("choose", {"csrf": await visit.token(), "bank": visit.bank("Banco Girasol")})
    page = await visit.http.get(visit.base)
    assert "We are waiting for your bank’s answer" in page.text
    assert "Return to Shop" in page.text
    assert "Cancel payment" not in page.text
    left = await visit.http.get(visit.base + "/later")
    assert left.headers["location"].startswith(REDIRECT_URI)
    assert "error" not in left.headers["location"]
    assert (await visit.house.call("GET", f"/payments/{visit.payment_id}")).json()["state"] == "validating"


async def test_a_form_never_leads_outside_by_itself(visit: Visit) -> None:
    """Chromium holds the whole chain of redirects after a form against form-action."""
    token = await visit.token()
    answer = await visit.sends("choose", {"csrf": token, "bank": visit.bank("Horizon Bleu")})
    assert answer.status_code == 303
    page = await visit.http.get(visit.house.base_url + answer.headers["location"])
    assert page.status_code == 200
    assert 'http-equiv="refresh" content="0; url=http' in page.text


async def test_the_answer_does_not_depend_on_the_host_header(visit: Visit) -> None:
    """T24."""
    page = await visit.http.get(visit.base, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
    assert "evil.example" not in page.text
    assert "evil.example" not in str(page.headers)


@pytest.mark.parametrize("ticket", ["x", "og_1_" + "A" * 43, "%00", "a" * 3000, "..%2f..%2f"])
async def test_a_return_ticket_that_was_never_given_leads_nowhere(house: House, ticket: str) -> None:
    """T21."""
    answer = await house.http.get(f"{house.base_url}/return/{ticket}?status=paid")
    assert answer.status_code in (400, 404)
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "handle", ["x", "1-", "1-AAAAAAAAAAAAAAAA", "zz-1", "-", "%00", "9" * 99 + "-a", "ffffffffffffffff-a"]
)
async def test_a_checkout_that_does_not_exist_is_a_calm_page(house: House, handle: str) -> None:
    answer = await house.http.get(f"{house.base_url}/checkout/{handle}")
    assert answer.status_code == 400
    assert "This payment link does not work" in answer.text
    assert "location" not in answer.headers


async def test_a_link_that_grew_old_never_denies_that_it_was_paid(house: House) -> None:
    """U12."""
    payment = await house.pay()
    url = (
        f"{house.base_url}/2.0/auth/webview/payment?client_id={house.credentials.client_id}"
        f"&payment_id={payment['id']}&code={await house.scoped(payment['id'])}"
    )
    assert (await house.validate(payment["id"]))["state"] == "done"
    await house.move(timedelta(days=8))
    page = await house.http.get(url)
    assert page.status_code == 400
    assert "If you have already paid, the shop knows." in page.text
    assert "choose payment by bank again" not in page.text


async def test_a_page_that_does_not_exist_says_so(house: House) -> None:
    answer = await house.http.get(f"{house.base_url}/checkout/a/b/c")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


async def test_the_status_tells_nothing_but_the_step(visit: Visit) -> None:
    news = (await visit.http.get(visit.base + "/status")).json()
    assert news.keys() == {"step", "next", "checked"}


async def test_a_search_is_answered_in_the_payers_language(visit: Visit) -> None:
    answer = await visit.http.get(visit.base + "/banks?q=orage", headers={"accept-language": "fr"})
    (row,) = answer.json()["banks"]
    assert row["href"] is None
    assert row["note"] == "Indisponible pour le moment. Utilisez une autre banque."
