"""The token endpoint: who gets a token for what, how it refuses, and that anybody can check what it gave (BD1-BD5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from opengiro.domain.login_gate import BURST
from opengiro.usecases.register_application import delete_application
from opengiro.usecases.register_user import delete_user
from tests import engines
from tests.banq import OPEN, PUBLIC_CLIENT, USER, Banq
from tests.server import House


def said(answer: httpx2.Response) -> tuple[int, str]:
    body = answer.json()
    assert list(body) == ["error", "error_description"]
    return answer.status_code, body["error"]


async def claims(house: House, token: str) -> dict[str, Any]:
    """Check a token as a stranger would: with nothing but the published key set."""
    configuration = (await house.http.get(f"{house.base_url}/.well-known/openid-configuration")).json()
    keys = KeySet.import_key_set((await house.http.get(configuration["jwks_uri"])).json())
    opened = jwt.decode(token, keys, algorithms=["RS256"])
    assert opened.header["kid"] in {key.kid for key in keys.keys}
    assert configuration["token_endpoint"] == f"{house.base_url}/oauth/token"
    return dict(opened.claims)


async def test_both_published_spellings_of_the_password_grant_give_a_token(banq: Banq) -> None:
    one = banq.login()
    other = {name: value for name, value in one.items() if name not in ("username", "password")}
    other |= {"client_username": banq.username, "client_password": banq.password}
    for body in (one, other):
        answer = await banq.grant(body)
        assert answer.status_code == 200
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
        assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 86_400)


async def test_a_form_is_as_good_as_json(banq: Banq) -> None:
    answer = await banq.house.http.post(banq.token_url, data=banq.login())
    assert answer.status_code == 200


async def test_an_audience_is_the_same_with_and_without_its_last_slash(banq: Banq) -> None:
    for audience in (OPEN, OPEN.rstrip("/")):
        token = (await banq.grant(banq.login(audience=audience))).json()["access_token"]
        assert (await claims(banq.house, token))["aud"] == OPEN
    for audience in (USER, USER + "/"):
        token = (await banq.grant(banq.user_login(audience=audience))).json()["access_token"]
        assert (await claims(banq.house, token))["aud"] == USER


async def test_a_token_is_proven_by_the_published_key_set_alone(banq: Banq) -> None:
    token = await banq.token()
    found = await claims(banq.house, token)
    assert found["iss"] == f"{banq.house.base_url}/"
    assert (found["azp"], found["gty"]) == (banq.credentials.client_id, "password")
    assert found["exp"] - found["iat"] == 86_400
    assert found["sub"].startswith("auth0|")
    head, body, signature = token.split(".")
    with pytest.raises(BadSignatureError):
        await claims(banq.house, f"{head}.{body[:-4]}AAAA.{signature}")


async def test_an_unsigned_token_or_one_of_another_algorithm_opens_nothing(banq: Banq) -> None:
    _, body, _ = (await banq.token()).split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    hs256 = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    for forged in (f"{none}.{body}.", f"{hs256}.{body}.AAAA", f"{none}.{body}", "a.b.c", "x" * 5000):
        answer = await banq.call("GET", "v1/payments", token=forged)
        assert answer.status_code == 401


async def test_client_credentials_give_a_token_without_a_user(banq: Banq) -> None:
    body = {"grant_type": "client_credentials", "client_id": banq.credentials.client_id, "audience": OPEN}
    answer = await banq.grant(body | {"client_secret": banq.credentials.client_secret})
    token = answer.json()["access_token"]
    found = await claims(banq.house, token)
    assert (found["sub"], found["gty"]) == (f"{banq.credentials.client_id}@clients", "client-credentials")
    assert (await banq.call("POST", "v1/payments/get-paid-link", banq.order(), token=token)).status_code == 201
    assert said(await banq.grant(body | {"client_secret": "wrong"})) == (401, "invalid_client")
    assert said(await banq.grant(body)) == (400, "invalid_request")


async def test_offline_access_adds_a_refresh_token_that_is_good_for_one_use(banq: Banq) -> None:
    first = (await banq.grant(banq.user_login())).json()
    assert first["scope"] == "offline_access"
    body = {"grant_type": "refresh_token", "client_id": PUBLIC_CLIENT, "refresh_token": first["refresh_token"]}
    second = (await banq.grant(body)).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await banq.call("GET", "v1/users/me", token=second["access_token"])).status_code == 200
    # The first one again: somebody has a copy, so the whole family ends.
    assert said(await banq.grant(body)) == (403, "access_denied")
    assert said(await banq.grant(body | {"refresh_token": second["refresh_token"]})) == (403, "access_denied")


async def test_of_many_who_refresh_with_one_token_at_most_one_succeeds(banq: Banq) -> None:
    first = (await banq.grant(banq.user_login())).json()
    body = {"grant_type": "refresh_token", "client_id": PUBLIC_CLIENT, "refresh_token": first["refresh_token"]}
    answers = await asyncio.gather(*(banq.grant(body) for _ in range(8)))
    assert sum(answer.status_code == 200 for answer in answers) <= 1


async def test_a_refresh_token_is_bound_to_its_client_and_ends(banq: Banq) -> None:
    token = (await banq.grant(banq.user_login())).json()["refresh_token"]
    body = {"grant_type": "refresh_token", "refresh_token": token}
    assert said(await banq.grant(body | {"client_id": banq.credentials.client_id})) == (403, "access_denied")
    await banq.house.move(timedelta(days=31))
    assert said(await banq.grant(body | {"client_id": PUBLIC_CLIENT})) == (403, "access_denied")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"password": "wrong"}, (403, "invalid_grant")),
        ({"username": "nobody"}, (403, "invalid_grant")),
        ({"username": "x" * 400}, (403, "invalid_grant")),
        ({"password": ""}, (400, "invalid_request")),
        ({"username": None}, (400, "invalid_request")),
        ({"client_id": None}, (400, "invalid_request")),
        ({"client_id": "1999999"}, (401, "invalid_client")),
        ({"client_id": "nonsense"}, (401, "invalid_client")),
        ({"client_secret": "wrong"}, (401, "invalid_client")),
        ({"grant_type": None}, (400, "invalid_request")),
        ({"grant_type": "authorization_code"}, (501, "unsupported_grant_type")),
        ({"audience": "https://elsewhere.test/"}, (403, "access_denied")),
        ({"client_id": PUBLIC_CLIENT}, (403, "unauthorized_client")),
        ({"client_id": PUBLIC_CLIENT, "audience": USER}, (403, "invalid_grant")),
        ({"grant_type": 7}, (400, "invalid_request")),
        ({"grant_type": "refresh_token", "refresh_token": "garbage"}, (403, "access_denied")),
        ({"grant_type": "refresh_token"}, (400, "invalid_request")),
    ],
)
async def test_what_is_wrong_is_said_as_auth0_says_it(
    banq: Banq, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert said(await banq.grant(banq.login(**changes))) == expected


async def test_other_methods_and_paths_are_refused_in_the_same_shape(banq: Banq) -> None:
    assert said(await banq.house.http.get(banq.token_url)) == (405, "method_not_allowed")
    assert said(await banq.house.http.post(banq.token_url + "/more")) == (404, "not_found")
    assert said(await banq.house.http.post(banq.token_url, content=b"{")) == (400, "invalid_request")
    assert said(await banq.house.http.post(banq.token_url, content=b"x" * 70_000)) == (400, "invalid_request")


async def test_an_api_login_is_good_at_its_own_client_only(banq: Banq, stranger: Banq, house: House) -> None:
    for client in (stranger.credentials.client_id, house.sibling.client_id):
        assert said(await banq.grant(banq.login(client_id=client))) == (403, "invalid_grant")
    assert said(await stranger.grant(stranger.login(client_id=banq.credentials.client_id))) == (403, "invalid_grant")


async def test_user_names_ignore_case_and_passwords_do_not(banq: Banq) -> None:
    assert (await banq.grant(banq.user_login(username=banq.email.upper()))).status_code == 200
    assert said(await banq.grant(banq.user_login(password=banq.email_password.swapcase()))) == (403, "invalid_grant")


async def test_whoever_tries_passwords_too_often_has_to_wait(banq: Banq) -> None:
    wrong = banq.login(password="wrong")
    answers = await asyncio.gather(*(banq.grant(wrong) for _ in range(BURST)))
    assert {said(answer) for answer in answers} == {(403, "invalid_grant")}
    refused = await banq.grant(banq.login())  # even the right one
    assert said(refused) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert (await banq.grant(banq.user_login())).status_code == 200  # somebody else


async def test_names_nobody_has_are_limited_like_those_somebody_has(banq: Banq) -> None:
    nobody = banq.login(username="nobody@shop.test")
    answers = [await banq.grant(nobody) for _ in range(BURST + 1)]
    assert [said(answer) for answer in answers] == [(403, "invalid_grant")] * BURST + [(429, "too_many_requests")]


async def test_logging_in_makes_the_allowance_whole_again(banq: Banq) -> None:
    for _ in range(2):
        for _ in range(BURST - 1):
            await banq.grant(banq.login(password="wrong"))
        assert (await banq.grant(banq.login())).status_code == 200


async def test_tokens_end_with_their_application(banq: Banq) -> None:
    token, refresh = await banq.token(), (await banq.grant(banq.login(scope="offline_access"))).json()["refresh_token"]
    await delete_application(banq.house.core, banq.house.merchant_id, banq.credentials.client_id, "test")
    assert (await banq.call("GET", "v1/payments", token=token)).status_code == 401
    body = {"grant_type": "refresh_token", "client_id": banq.credentials.client_id, "refresh_token": refresh}
    assert said(await banq.grant(body)) == (403, "access_denied")
    assert said(await banq.grant(banq.login())) == (401, "invalid_client")


async def test_tokens_end_with_their_user(banq: Banq) -> None:
    token = await banq.token(USER)
    user = await banq.house.core.store.users.by_username(banq.email)
    assert user is not None
    await delete_user(banq.house.core, user, "test")
    assert (await banq.call("GET", "v1/users/me", token=token)).status_code == 401
    assert said(await banq.grant(banq.user_login())) == (403, "invalid_grant")


async def test_tokens_end_after_a_day(banq: Banq) -> None:
    token = await banq.token()
    await banq.house.move(timedelta(hours=25))
    assert (await banq.call("GET", "v1/payments", token=token)).status_code == 401


async def test_the_public_client_can_be_switched_off(banq: Banq) -> None:
    core = banq.house.core
    merchant = await core.merchant(banq.house.merchant_id)
    setting = {"users.public_client.enabled": "0"}
    await core.store.merchants.save_settings(merchant, setting, "test", banq.house.now())
    assert said(await banq.grant(banq.user_login())) == (403, "unauthorized_client")
    assert (await banq.grant(banq.user_login(client_id=banq.credentials.client_id))).status_code == 200


async def test_no_password_and_no_refresh_token_lies_readable_in_the_database(banq: Banq) -> None:
    refresh = (await banq.grant(banq.user_login())).json()["refresh_token"]
    created = await banq.get_paid()
    await banq.house.core.store.engine.fetch_text("SELECT 1", ())
    stored = engines.stolen(banq.house.data)
    secrets = (banq.password, banq.email_password, banq.email, refresh, created["url"].rpartition("/")[2])
    assert [text for text in secrets if text.encode() in stored] == []
