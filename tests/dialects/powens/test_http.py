"""HTTP details of the wire: forms, queries, slashes, methods, sizes, and errors that all look alike."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.server import House, order


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def credentials(house: House) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": house.credentials.client_id,
        "client_secret": house.credentials.client_secret,
        "scope": "payments:admin payments:validate",
    }


async def test_a_token_comes_for_json_for_a_form_and_for_a_query(house: House) -> None:
    url, given = f"{house.api}/auth/token", credentials(house)
    for answer in (
        await house.http.post(url, json=given),
        await house.http.post(url, data=given),
        await house.http.post(url, params=given),
    ):
        assert answer.status_code == 200
        assert list(answer.json()) == ["token", "scope"]  # PC8
        assert answer.json()["scope"] == "payments:admin payments:validate"  # PU4


async def test_several_scopes_come_as_a_repeated_key_of_a_form(house: House) -> None:
    given = {**credentials(house), "scope": ["payments:validate", "payments:read-only"]}
    answer = await house.http.post(f"{house.api}/auth/token", data=given)
    assert answer.json()["scope"] == "payments:validate payments:read-only"


async def test_a_key_that_a_form_may_not_repeat_is_refused(house: House) -> None:
    given = {**credentials(house), "client_secret": ["wrong", house.credentials.client_secret]}
    answer = await house.http.post(f"{house.api}/auth/token", data=given)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")


async def test_pu7_a_client_id_may_be_a_number(house: House) -> None:
    given: dict[str, Any] = {**credentials(house), "client_id": int(house.credentials.client_id)}
    assert (await house.http.post(f"{house.api}/auth/token", json=given)).status_code == 200


@pytest.mark.parametrize("scope", ["payments:admin", ["payments:admin"], ["payments:validate", "payments:read-only"]])
async def test_pu4_scopes_come_as_text_or_array_and_leave_as_one_text(house: House, scope: str | list[str]) -> None:
    answer = await house.http.post(f"{house.api}/auth/token", json={**credentials(house), "scope": scope})
    assert answer.json()["scope"] == (scope if isinstance(scope, str) else " ".join(scope))


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, "unauthorized"),
        ({"client_id": "999999999"}, 401, "unauthorized"),
        ({"client_id": "x"}, 401, "unauthorized"),
        ({"grant_type": "password"}, 400, "invalidValue"),
        ({"scope": "everything"}, 400, "invalidValue"),
        ({"scope": ""}, 400, "missingParameter"),
        ({"client_secret": ""}, 400, "missingParameter"),
    ],
)
async def test_a_token_is_refused(house: House, change: dict[str, str], status: int, code: str) -> None:
    answer = await house.http.post(f"{house.api}/auth/token", json={**credentials(house), **change})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_an_unknown_client_is_not_told_from_a_wrong_secret(house: House) -> None:
    answers = []
    for change in ({"client_secret": "wrong"}, {"client_id": "1999999"}):
        answer = await house.http.post(f"{house.api}/auth/token", json={**credentials(house), **change})
        answers.append({**answer.json(), "request_id": 0})
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Bearer garbage", "Bearer og_1_" + "A" * 43 + "00000000"],
)
async def test_a_missing_or_unknown_token_is_401_unauthorized(house: House, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = await house.http.get(f"{house.api}/payments", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert list(answer.json()) == ["code", "description", "message", "request_id"]
    assert isinstance(answer.json()["request_id"], int)  # PC22


async def test_the_scheme_of_a_token_is_read_in_any_case(house: House) -> None:
    headers = {"authorization": f"bearer {await house.token()}"}
    assert (await house.http.get(f"{house.api}/payments", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/payments/", "/connectors/", "/webhooks/auth/", "/config/logs/"])
async def test_a_slash_too_many_is_forgiven(house: House, path: str) -> None:
    token = await house.token() if path == "/payments/" else house.credentials.config_token
    assert (await house.call("GET", path, token=token)).status_code == 200


async def test_a_slash_too_many_makes_no_other_idempotency_key(house: House) -> None:
    headers = {**bearer(await house.token()), "idempotency-key": "order-2"}
    first, again = [
        await house.http.post(house.api + path, json=order(), headers=headers) for path in ("/payments", "/payments/")
    ]
    assert first.status_code == 200
    assert again.content == first.content


async def test_an_id_has_one_spelling(house: House) -> None:
    payment = await house.pay()
    answer = await house.call("GET", f"/payments/0{payment['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "notFound")


@pytest.mark.parametrize(
    ("dates", "named"),
    [
        ({"execution_date_type": "deferred", "execution_date": "9999-12-31"}, "execution_date"),
        ({"execution_date_type": "periodic", "start_date": "9999-12-31", "frequency": "monthly"}, "start_date"),
        (
            {
                "execution_date_type": "periodic",
                "start_date": "2026-12-01",
                "end_date": "9999-12-31",
                "frequency": "monthly",
            },
            "end_date",
        ),
    ],
)
async def test_a_date_at_the_end_of_the_calendar_is_refused(house: House, dates: dict[str, str], named: str) -> None:
    config = {"payment.periodic.enabled": "1"}
    await house.call("POST", "/config", config, token=house.credentials.config_token)
    asked = order()
    asked["instructions"][0] |= dates
    answer = await house.call("POST", "/payments", asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
    assert answer.json()["description"].startswith(f"instructions[0].{named}: ")


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/payments/1/nothing", "/auth/token/access"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_an_unknown_route_answers_with_the_envelope(house: House, method: str, path: str) -> None:
    answer = await house.call(method, path, token="")
    assert (answer.status_code, answer.json()["code"]) == (404, "notFound")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/payments", {"GET", "HEAD", "POST"}),
        ("PATCH", "/payments/1", {"GET", "HEAD", "POST", "PUT"}),
        ("GET", "/auth/token", {"POST"}),
        ("POST", "/connectors", {"GET", "HEAD"}),
        ("OPTIONS", "/terms", {"GET", "HEAD"}),
    ],
)
async def test_a_method_that_a_path_has_not_is_405_with_those_it_has(
    house: House, method: str, path: str, allowed: set[str]
) -> None:
    answer = await house.call(method, path, token="")
    assert (answer.status_code, answer.json()["code"]) == (405, "methodNotAllowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_head_answers_like_get_without_a_body(house: House) -> None:
    read = await house.call("GET", "/payments")
    head = await house.call("HEAD", "/payments")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "application/json")
    assert head.headers["content-length"] == str(len(read.content))


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_413_however_it_comes(house: House, chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(70):
            yield b" " * 1024

    content = pieces() if chunked else b" " * 70 * 1024
    headers = bearer(await house.token())
    answer = await house.http.post(f"{house.api}/payments", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "invalidValue")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"{}{}", b'{"a":1,"a":2}', b'{"client_redirect_uri":NaN}', b"\xff", b"[" * 60_000, b"null",
     b'{"instructions":[{"amount":1,"amount":2}]}', b'{"client_state":"\\ud800"}', b'{"instructions":[],}'],
)  # fmt: skip
async def test_pc29_what_is_no_strict_json_is_refused(house: House, body: bytes) -> None:
    headers = {**bearer(await house.token()), "content-type": "application/json"}
    answer = await house.http.post(f"{house.api}/payments", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) in [(400, "invalidValue"), (400, "missingParameter")]


async def test_json_is_read_whatever_its_content_type_says(house: House) -> None:
    token = await house.token()
    for kind in ("application/json; charset=utf-8", "text/plain", "application/octet-stream"):
        headers = {**bearer(token), "content-type": kind}
        answer = await house.http.post(f"{house.api}/payments", content=json.dumps(order()), headers=headers)
        assert answer.status_code == 200


async def test_pc11_unknown_keys_are_ignored_and_never_returned(house: House) -> None:
    body = order(surprise={"deep": [1]}, hello="x")
    body["instructions"][0]["beneficiary"]["color"] = "red"
    answer = await house.call("POST", "/payments", body)
    assert answer.status_code == 200
    assert "surprise" not in answer.text
    assert "color" not in answer.text


async def test_pu32_put_is_an_alias_of_post_on_a_payment(house: House) -> None:
    payment = await house.pay()
    body = {"cancel": True, "client_redirect_uri": payment["client_redirect_uri"]}
    answer = await house.call("PUT", f"/payments/{payment['id']}", body)
    assert (answer.status_code, answer.json()["error_code"]) == (200, "CancelledByClient")  # PC10


async def test_pu13_a_key_makes_a_post_repeatable_and_a_get_ignores_it(house: House) -> None:
    headers = {**bearer(await house.token()), "idempotency-key": "order-1"}
    url = f"{house.api}/payments"
    first = await house.http.post(url, json=order(), headers=headers)
    again = await house.http.post(url, json=order(), headers=headers)
    other = await house.http.post(url, json=order("Another"), headers=headers)
    assert first.content == again.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotencyKeyReused")
    assert (await house.http.get(url, headers=headers)).json()["total"] == 1
    bad = await house.http.post(url, json=order(), headers={**headers, "idempotency-key": "x" * 256})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalidValue")


async def test_pu13_without_a_key_nothing_is_deduplicated(house: House) -> None:
    assert (await house.pay())["id"] != (await house.pay())["id"]


async def test_pu11_links_lead_through_the_pages_on_the_host_that_was_called(house: House) -> None:
    for _ in range(3):
        await house.pay()
    localhost = house.api.replace("127.0.0.1", "localhost")
    headers = bearer(await house.token())
    url: str | None = f"{localhost}/payments?limit=2&state=created"
    seen = []
    while url:
        assert url.startswith(f"{localhost}/payments?")
        page = (await house.http.get(url, headers=headers)).json()
        seen += [one["id"] for one in page["payments"]]
        assert page["total"] == 3
        url = page["_links"]["next"] and page["_links"]["next"]["href"]
    assert len(set(seen)) == 3


async def test_a_foreign_host_header_never_becomes_a_link(house: House) -> None:
    await house.pay()
    headers = {**bearer(await house.token()), "host": "evil.test"}
    page = (await house.http.get(f"{house.api}/payments", headers=headers)).json()
    assert page["_links"]["self"]["href"].startswith(house.api)


async def test_every_answer_is_json_that_nobody_keeps_or_frames(house: House) -> None:
    for path in ("/connectors", "/payments", "/nothing"):
        headers = (await house.call("GET", path, token="")).headers
        assert headers["content-type"] == "application/json"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


async def test_a_compressed_body_is_refused_by_name(house: House) -> None:
    headers = bearer(await house.token()) | {"content-encoding": "gzip"}
    answer = await house.http.post(f"{house.api}/payments", content=gzip.compress(b"{}"), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["description"].startswith("content-encoding:")


@pytest.mark.parametrize(("written", "read"), [("5.09e1", 50.90), ("1E1", 10), ("2E+2", 200)])
async def test_an_amount_in_scientific_notation_is_the_same_number(house: House, written: str, read: float) -> None:
    body = json.dumps(order(amount=7777)).replace("7777", written)
    headers = bearer(await house.token()) | {"content-type": "application/json"}
    answer = await house.http.post(f"{house.api}/payments", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["instructions"][0]["amount"] == read


@pytest.mark.parametrize("written", ["1e99", "1e-3", "1e400", "-1e1", "NaN", '"1e1"'])
async def test_an_amount_that_no_currency_holds_is_refused_by_name(house: House, written: str) -> None:
    body = json.dumps(order(amount=7777)).replace("7777", written)
    headers = bearer(await house.token()) | {"content-type": "application/json"}
    answer = await house.http.post(f"{house.api}/payments", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidValue")
