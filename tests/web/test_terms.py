"""Terms a merchant sets are shown, asked for once, and agreed to in the same place on the pages and on the wire."""

from __future__ import annotations

import re

from tests.server import House
from tests.web.payer import link
from tests.web.test_addresses import FORM

WORDS = "We pass your order on to your bank.\n\nWe never hold your money."


async def test_terms_ticked_on_the_page_are_signed_on_the_wire(house: House) -> None:
    """PC19, U6."""
    config = house.credentials.config_token
    await house.call("POST", "/config", {"payment.terms.content": WORDS}, token=config)
    payment = await house.pay()
    terms = f"/payments/{payment['id']}/terms"
    assert (await house.call("GET", terms)).json()["to_sign"] is True
    base = (await house.http.get(await link(house, payment["id"]))).headers["location"]
    bank = next(one.bank_id for one in house.core.store.banks.all() if one.name == "Horizon Bleu")

    review = (await house.http.get(f"{base}/banks/{bank}")).text
    shown = (await house.http.get(f"{base}/terms")).text
    token = re.search(r'name="csrf" value="([0-9a-f]{64})"', review)
    assert token
    assert "/terms" in review
    assert "We never hold your money." in shown

    form = f"csrf={token[1]}&bank={bank}"
    unticked = await house.http.post(f"{base}/choose", content=form, headers=FORM)
    assert unticked.status_code == 422
    assert (await house.call("GET", terms)).json()["to_sign"] is True

    ticked = await house.http.post(f"{base}/choose", content=form + "&terms=yes", headers=FORM)
    assert ticked.status_code == 303
    assert "to_sign" not in (await house.call("GET", terms)).json()
