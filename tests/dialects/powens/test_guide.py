"""The public guide's own requests work as they are printed, once placeholders and its example IBAN are filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.server import IBAN, REDIRECT_URI, House

_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
KINDS = ("first_open_day", "instant", "deferred")


@pytest.fixture(scope="module")
def samples(shared: Path) -> list[str]:
    """The JSON blocks of the guide, in its order."""
    return _BLOCK.findall((shared / "seeds" / "powens-one-time-payment.md").read_text())


def filled(sample: str, house: House) -> dict[str, Any]:
    """Fill in a sample; PC29: one is printed with a trailing comma, which strict JSON has not."""
    values = {
        "{clientId}": house.credentials.client_id,
        "{clientSecret}": house.credentials.client_secret,
        "{redirectURL}": REDIRECT_URI,
        "{optionalRedirectState}": "a state",
        "FR76XXXXXXXXXXXXXXX": IBAN,
    }
    for placeholder, value in values.items():
        sample = sample.replace(placeholder, value)
    body: dict[str, Any] = json.loads(_TRAILING_COMMA.sub(r"\1", sample))
    return body


async def guide_token(house: House, samples: list[str]) -> str:
    sample = next(one for one in samples if "grant_type" in one)
    answer = await house.call("POST", "/auth/token", filled(sample, house), token="")
    assert answer.json().keys() == {"token", "scope"}
    token: str = answer.json()["token"]
    return token


@pytest.mark.parametrize("kind", KINDS)
async def test_each_payment_of_the_guide_is_taken_and_paid(house: House, samples: list[str], kind: str) -> None:
    token = await guide_token(house, samples)
    sample = next(one for one in samples if f'"execution_date_type": "{kind}"' in one)
    payment = (await house.call("POST", "/payments", filled(sample, house), token=token)).json()
    assert (payment["state"], payment["error_code"], payment["error_description"]) == ("created", None, None)

    scope = next(one for one in samples if '"scope": ["payments:validate"]' in one)
    scoped = (await house.call("POST", f"/payments/{payment['id']}/scopedtoken", json.loads(scope), token=token)).json()
    assert list(scoped) == ["token", "scope", "expires_in", "id_payment"]
    assert (scoped["scope"], scoped["expires_in"], scoped["id_payment"]) == (
        "payments:validate",
        604_800,
        payment["id"],
    )

    assert (await house.validate(payment["id"]))["state"] == "done"


async def test_a_deferred_date_that_passed_means_as_soon_as_possible(house: House, samples: list[str]) -> None:
    sample = next(one for one in samples if '"deferred"' in one)
    body = filled(sample, house)
    assert body["instructions"][0]["execution_date"] < house.now().date().isoformat()
    payment = (await house.call("POST", "/payments", body)).json()
    assert payment["instructions"][0]["execution_date"] == body["instructions"][0]["execution_date"]
    assert (await house.validate(payment["id"]))["state"] == "done"


async def test_the_identities_of_the_guide_are_taken(house: House, samples: list[str]) -> None:
    create = filled(next(one for one in samples if '"instant"' in one), house)
    kinds = [json.loads(one) for one in samples if one.lstrip().startswith('{\n  "kind"')]
    assert {one["kind"] for one in kinds} == {"individual", "corporate"}
    for identity in kinds:
        answer = await house.call("POST", "/payments", {**create, "payer_identity": identity})
        assert answer.status_code == 200, answer.text


async def test_the_url_of_the_guide_opens_the_webview(house: House, samples: list[str]) -> None:
    payment = await house.pay()
    code = await house.scoped(payment["id"])
    for state in ("a%20state", "a+state"):
        url = (
            f"{house.api}/auth/webview/payment?client_id={house.credentials.client_id}"
            f"&redirect_uri={quote(REDIRECT_URI, safe='')}&state={state}&code={code}&payment_id={payment['id']}"
        )
        opened = await house.http.get(url)
        assert opened.status_code == 303
        assert code not in opened.headers["location"]  # PU34
