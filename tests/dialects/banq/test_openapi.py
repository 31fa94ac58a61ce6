"""The OpenAPI document: it is the routes, it is valid, and what the server answers to anything at all is in it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from opengiro.dialects.banq import DIALECT, GRANTS, grants
from opengiro.web.openapi import describe
from tests.banq import USER, Banq

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = 8


def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe(DIALECT)))
    return found


def test_the_document_is_the_routes_and_valid() -> None:
    written = document()
    validate(written)
    described = {(method.upper(), path) for path, methods in written["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in DIALECT.routes}


def test_it_says_which_audience_opens_what_and_that_a_company_may_be_named() -> None:
    paths = document()["paths"]
    assert "open/api" in paths["/v1/payments/get-paid-link"]["post"]["description"]
    assert "open/api" not in paths["/v1/users/me"]["get"]["description"]
    for methods in paths.values():
        for operation in methods.values():
            assert "X-Company-Id" in {one["name"] for one in operation["parameters"]}


async def test_the_token_endpoint_describes_itself_beside_the_wire(banq: Banq) -> None:
    served = (await banq.house.http.get(f"{banq.house.base_url}/oauth/openapi.json")).json()
    validate(served)
    responses = served["paths"]["/token"]["post"]["responses"]
    assert {str(status) for status, _, _ in grants.REFUSALS.values()} | {"200", "501"} <= set(responses)
    assert served["servers"] == [{"url": GRANTS.prefix}]


async def test_the_document_is_served_to_anybody(banq: Banq) -> None:
    assert (await banq.house.http.get(banq.api + "openapi.json")).json() == document()


async def test_anything_at_all_gets_an_answer_that_the_document_foresees(banq: Banq) -> None:
    created = await banq.get_paid()
    await banq.call("POST", banq.config, {"url": "http://127.0.0.1:1/hook"})
    ids = {"resource": created["guid"], "space": banq.space.space_id}
    found: Any = schemathesis.openapi.from_dict(document()).get_all_operations()
    for case in sorted((one.ok() for one in found), key=lambda one: one.method == "delete"):
        token = await banq.token(USER) if case.path.startswith("/v1/users") else await banq.token()
        await asyncio.to_thread(_throw_at, banq.api.rstrip("/"), case, token, ids)


def _throw_at(base_url: str, operation: Any, token: str, ids: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def throw(case: Any) -> None:
        known = {name: text for name, text in ids.items() if "{" + name + "}" in case.path}
        case.path_parameters = {**(case.path_parameters or {}), **known}
        answer = case.call(base_url=base_url, headers={"authorization": f"Bearer {token}"})
        case.validate_response(answer, checks=CHECKS)

    throw()
