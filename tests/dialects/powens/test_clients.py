"""Client applications: secrets shown once, redirect URIs compared character by character (PU8, PU9, PU10)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests import engines
from tests.server import Credentials, House, order


async def clients(house: House, method: str = "GET", path: str = "", body: Any = None) -> httpx2.Response:
    return await house.call(method, f"/clients{path}", body, token=house.credentials.config_token)


async def test_a_new_client_gets_a_secret_that_is_shown_once_and_works(house: House) -> None:
    answer = await clients(house, "POST", "", {"name": "Second shop", "redirect_uris": "https://two.test/back"})
    made = answer.json()
    assert (answer.status_code, made["name"], made["redirect_uris"]) == (201, "Second shop", "https://two.test/back")
    assert (await clients(house, path=f"/{made['id']}")).json() == {**made, "secret": None}
    owner = Credentials(
        merchant_id=1, client_id=str(made["id"]), client_secret=made["secret"], config_token="", redirect_uris=()
    )
    token = await house.token(who=owner)
    created = await house.call("POST", "/payments", order(client_redirect_uri="https://two.test/back"), token=token)
    assert created.status_code == 200


async def test_the_secret_is_kept_as_a_hash_only(house: House) -> None:
    secret = (await clients(house, "POST", "", {})).json()["secret"].encode()
    assert secret not in engines.stolen(house.data)


@pytest.mark.parametrize(
    "given",
    [
        ["https://a.test/x", "https://b.test/y"],
        "https://a.test/x https://b.test/y",
        "https://a.test/x,https://b.test/y",
        "  https://a.test/x ,\n https://b.test/y https://a.test/x ",
    ],
)
async def test_pu8_uris_come_as_array_or_text_and_leave_as_one_text(house: House, given: object) -> None:
    made = (await clients(house, "POST", "", {"redirect_uris": given})).json()
    assert made["redirect_uris"] == "https://a.test/x https://b.test/y"


async def test_pu9_a_client_without_uris_may_redirect_nowhere(house: House) -> None:
    await clients(house, "PUT", f"/{house.credentials.client_id}", {"redirect_uris": ""})
    answer = await house.call("POST", "/payments", order())
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")


@pytest.mark.parametrize(
    ("registered", "used"),
    [
        ("https://shop.test/back", "https://shop.test/back/"),
        ("https://shop.test/back", "https://shop.test/Back"),
        ("https://shop.test/back", "https://shop.test/back2"),
        ("https://shop.test/back", "http://shop.test/back"),
        ("https://shop.test/back", "https://shop.test:443/back"),
        ("https://shop.test/.*", "https://shop.test/anything"),
        ("https://shop.test/", "https://shop.test.evil.test/"),
    ],
)
async def test_pu10_uris_are_compared_character_by_character(house: House, registered: str, used: str) -> None:
    await clients(house, "PUT", f"/{house.credentials.client_id}", {"redirect_uris": [registered]})
    refused = await house.call("POST", "/payments", order(client_redirect_uri=used))
    assert (refused.status_code, refused.json()["code"]) == (400, "invalidValue")
    taken = await house.call("POST", "/payments", order(client_redirect_uri=registered))
    assert taken.status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "ftp://shop.test/",
        "//shop.test/",
        "/back",
        "https://user:secret@shop.test/",
        "https://shop.test/#part",
        "https://",
        "https://shop.test/a b",
        "https://shöp.test/",
        "https://shop.test/" + "x" * 2000,
    ],
)
async def test_a_uri_nobody_should_be_sent_to_is_refused_at_registration(house: House, uri: str) -> None:
    answer = await clients(house, "POST", "", {"redirect_uris": ["https://shop.test/ok", uri]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert "redirect_uris[1]" in answer.json()["description"]


async def test_put_and_post_change_what_is_named_and_keep_the_rest(house: House) -> None:
    path = f"/{house.credentials.client_id}"
    before = (await clients(house, path=path)).json()
    for method, name in (("PUT", "One"), ("POST", "Two")):
        changed = await clients(house, method, path, {"name": name, "generate_keys": True, "primary_color": "f00"})
        assert changed.json() == {**before, "name": name}
    assert (await clients(house, "PUT", path, {"config": {"a": "1"}})).json()["config"] == {"a": "1"}


async def test_a_deleted_client_is_gone_and_its_tokens_with_it(house: House) -> None:
    token = await house.token()
    path = f"/{house.credentials.client_id}"
    gone = await clients(house, "DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await house.call("GET", "/payments", token=token)).status_code == 401
    assert (await clients(house, path=path)).status_code == 404
    assert (await clients(house, "DELETE", path)).status_code == 404
    listed = (await clients(house)).json()["clients"]
    assert [str(one["id"]) for one in listed] == [house.sibling.client_id]


async def test_another_merchants_client_does_not_exist(house: House) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = {"name": "mine now"} if method == "PUT" else None
        assert (await clients(house, method, f"/{house.stranger.client_id}", body)).status_code == 404


async def test_a_merchants_clients_are_listed_under_their_key(house: House) -> None:
    listed = (await clients(house)).json()
    assert listed["total"] == len(listed["clients"]) == 2
    assert {str(one["id"]) for one in listed["clients"]} == {house.credentials.client_id, house.sibling.client_id}
