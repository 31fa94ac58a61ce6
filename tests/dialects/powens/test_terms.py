"""Terms: signed unless a merchant sets some, to be signed again when their words change (PC19, PU18)."""

from __future__ import annotations

from tests.server import House


async def set_terms(house: House, content: str) -> None:
    answer = await house.call(
        "POST", "/config", {"payment.terms.content": content}, token=house.credentials.config_token
    )
    assert answer.status_code == 200


async def test_pc19_terms_count_as_signed_where_none_are_set(house: House) -> None:
    payment = await house.pay()
    terms = (await house.call("GET", f"/payments/{payment['id']}/terms")).json()
    assert terms == {"id": 0, "version": None, "created": None, "deleted": None, "id_file": None}
    assert (await house.call("POST", f"/payments/{payment['id']}/terms", {"id_terms": 0})).json() == {"success": "ok"}


async def test_pc19_to_sign_is_true_until_the_payer_agreed(house: House) -> None:
    await set_terms(house, "You pay us.")
    payment = await house.pay()
    path = f"/payments/{payment['id']}/terms"
    terms = (await house.call("GET", path)).json()
    assert set(terms) == {"id", "version", "created", "deleted", "id_file", "to_sign"}  # PU18
    assert terms["to_sign"] is True
    token = await house.scoped(payment["id"], "payments:validate")
    assert (await house.call("POST", path, {"id_terms": terms["id"]}, token=token)).json() == {"success": "ok"}
    assert "to_sign" not in (await house.call("GET", path)).json()


async def test_other_words_are_to_be_signed_again(house: House) -> None:
    await set_terms(house, "You pay us.")
    payment = await house.pay()
    path = f"/payments/{payment['id']}/terms"
    former = (await house.call("GET", path)).json()["id"]
    await house.call("POST", path, {"id_terms": former})
    await set_terms(house, "You pay us twice.")
    assert (await house.call("GET", path)).json()["to_sign"] is True
    refused = await house.call("POST", path, {"id_terms": former})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalidValue")


async def test_an_agreement_is_for_one_payment(house: House) -> None:
    await set_terms(house, "You pay us.")
    first, second = await house.pay(), await house.pay()
    terms_id = (await house.call("GET", f"/payments/{first['id']}/terms")).json()["id"]
    await house.call("POST", f"/payments/{first['id']}/terms", {"id_terms": terms_id})
    assert (await house.call("GET", f"/payments/{second['id']}/terms")).json()["to_sign"] is True


async def test_everyone_reads_the_text_of_the_merchant_whose_host_they_call(house: House) -> None:
    await set_terms(house, "You pay us.")
    read = (await house.http.get(f"{house.api}/terms", headers={"host": "shop.localhost"})).json()
    assert (read["content"], read["language"]) == ("You pay us.", "en")
    assert (await house.http.get(f"{house.api}/terms", headers={"host": "other.localhost"})).json()["content"] == ""


async def test_the_id_of_the_terms_is_required(house: House) -> None:
    payment = await house.pay()
    answer = await house.call("POST", f"/payments/{payment['id']}/terms", {})
    assert (answer.status_code, answer.json()["code"]) == (400, "missingParameter")
