"""The phone of `opengiro dev`: where it goes, and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.laptop import Laptop


def paid_link(laptop: Laptop) -> str:
    """A payment link of the banq wire."""
    banq = laptop.world["banq"]
    login = {name: banq[name] for name in ("client_id", "username", "password")}
    body = login | {"audience": "https://banq.com/open/api/", "grant_type": "password"}
    token = laptop.http.post(banq["token_url"], json=body).json()["access_token"]
    order = {"destination": {"banqGuid": banq["banq_guid"]}, "funds": 2, "comment": "Kite"}
    bearer = {"authorization": f"Bearer {token}"}
    answer = laptop.http.post(f"{banq['base_url']}v1/payments/get-paid-link", json=order, headers=bearer)
    return str(answer.json()["url"])


def follow(laptop: Laptop, given: str) -> Any:
    return laptop.http.post(f"{laptop.url}/phone", data={"given": given}, follow_redirects=False)


def test_the_phone_follows_a_link_and_a_code(laptop: Laptop) -> None:
    link = paid_link(laptop)
    assert follow(laptop, f" {link}?h=x ").headers["location"] == f"{link}?h=x"
    offer = laptop.http.post(f"{laptop.url}/widget/handoff", content=link.rpartition("/")[2]).json()
    answer = follow(laptop, offer["code"])
    assert answer.headers["location"].startswith(f"{laptop.url}/checkout/")
    assert "Choose your bank" in laptop.http.get(answer.headers["location"]).text
    assert follow(laptop, offer["code"]).status_code == 422


@pytest.mark.parametrize("given", ["", "https://evil.example/x", "//evil.example", "javascript:alert(1)", "ABCD-0000"])
def test_the_phone_goes_nowhere_else(laptop: Laptop, given: str) -> None:
    answer = follow(laptop, given)
    assert (answer.status_code, "location" in answer.headers) == (422, False)
