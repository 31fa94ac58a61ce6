"""End-to-end encryption of field values: both ciphers (PC21), clear text, and what cannot be opened."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import RSAKey

from tests.server import REDIRECT_URI, House, open_house

CIPHERS = ("A256GCM", "A256CBC-HS512")


async def public_key(house: House) -> dict[str, Any]:
    key: dict[str, Any] = (await house.call("GET", "/publickey", token="")).json()
    return key


def seal(text: str, key: dict[str, Any], cipher: str = "A256GCM", wrapping: str = "RSA-OAEP-256") -> str:
    header = {"alg": wrapping, "enc": cipher, "kid": key["kid"]}
    public = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
    return jwe.encrypt_compact(header, text, public, algorithms=[wrapping, cipher])


async def choose(house: House, value: str) -> dict[str, Any]:
    return await house.validate((await house.pay())["id"], fields={"use_case_pay": value})


@pytest.mark.parametrize("cipher", CIPHERS)
async def test_pc21_both_ciphers_reach_the_bank_in_clear(house: House, cipher: str) -> None:
    validated = await choose(house, seal("otp_sms", await public_key(house), cipher))
    assert validated["action"] == "additionalInformationNeeded"


async def test_pc21_clear_text_is_taken_as_it_is(house: House) -> None:
    assert (await choose(house, "otp_sms"))["action"] == "additionalInformationNeeded"


async def test_a_value_sealed_to_another_key_is_refused_by_its_name(house: House) -> None:
    foreign = {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "other"}
    answer = await choose(house, seal("redirect", foreign))
    assert (answer["code"], "fields.use_case_pay" in answer["description"]) == ("invalidValue", True)


async def test_a_value_that_was_tampered_with_is_refused_by_its_name(house: House) -> None:
    sealed = seal("redirect", await public_key(house))
    answer = await choose(house, sealed[:-4] + ("AAAA" if sealed[-4:] != "AAAA" else "BBBB"))
    assert (answer["code"], "fields.use_case_pay" in answer["description"]) == ("invalidValue", True)


async def test_a_wrapping_that_is_not_documented_is_refused(house: House) -> None:
    answer = await choose(house, seal("redirect", await public_key(house), wrapping="RSA-OAEP"))
    assert answer["code"] == "invalidValue"


async def test_a_refused_value_leaves_the_payment_as_it_was(house: House) -> None:
    payment = await house.pay()
    await house.validate(payment["id"], fields={"use_case_pay": "eyJhIjoxfQ.a.b.c.d"})
    assert (await house.call("GET", f"/payments/{payment['id']}")).json()["state"] == "created"


async def test_the_private_key_is_its_owners_file_and_outlives_a_restart(tmp_path: Path) -> None:
    async with open_house(tmp_path) as before:
        key = await public_key(before)
    assert stat.S_IMODE((tmp_path / "fields-key.pem").stat().st_mode) == 0o600
    async with open_house(tmp_path) as after:
        assert await public_key(after) == key
        assert not {"d", "p", "q"} & set(key)
        payment = await after.pay()
        body = {"validated": True, "connector_uuid": after.test_bank, "webview_url": REDIRECT_URI}
        answer = await after.call(
            "POST", f"/payments/{payment['id']}", {**body, "fields": {"use_case_pay": seal("decoupled", key)}}
        )
        assert answer.json()["action"] == "decoupled"
