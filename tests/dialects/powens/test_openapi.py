"""The OpenAPI document: it is the routes, it is valid, and what the server answers to anything at all is in it."""

from __future__ import annotations

import asyncio
import re
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

from opengiro.dialects.powens import DIALECT
from opengiro.web.openapi import describe
from tests.server import House

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = 8


def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(describe(DIALECT)))
    return found


def test_the_document_is_the_routes() -> None:
    described = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in DIALECT.routes}


def test_the_document_is_valid_and_names_every_operation_once() -> None:
    written = document()
    validate(written)
    names = [one["operationId"] for methods in written["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names))


def test_every_operation_says_who_may_call_it_and_how_it_refuses() -> None:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            route = next(one for one in DIALECT.routes if (one.method.lower(), one.path) == (method, path))
            assert (operation["security"] == [{"bearer": []}]) == (route.rights is not None)
            statuses = set(operation["responses"])
            assert {"400", "404", "500", str(route.status)} <= statuses
            assert ("403" in statuses) == (route.rights is not None or route.optional_token)


def test_a_created_payment_leads_to_reading_validating_and_cancelling_it() -> None:
    links = document()["paths"]["/payments"]["post"]["responses"]["200"]["links"]
    assert set(links) == {"getPaymentsPaymentId", "postPaymentsPaymentId", "postPaymentsPaymentIdScopedtoken"}
    assert all(one["parameters"] == {"payment_id": "$response.body#/id"} for one in links.values())


def test_words_of_the_core_stay_out_of_the_document() -> None:
    assert not re.search(r"\bmerchant_id\b|opengiro\.", msgspec.json.encode(document()).decode())


async def test_the_document_is_served(house: House) -> None:
    served = await house.http.get(f"{house.api}/openapi.json")
    assert served.json() == document()


async def test_anything_at_all_gets_an_answer_that_the_document_foresees(house: House) -> None:
    config, ids = house.credentials.config_token, await _things(house)
    found: Any = schemathesis.openapi.from_dict(document()).get_all_operations()
    for case in sorted((one.ok() for one in found), key=lambda one: one.method == "delete"):
        configures = case.path.startswith(("/clients", "/config", "/webhooks", "/test"))
        token = config if configures else await house.token()
        await asyncio.to_thread(_throw_at, house.api, case, token, ids)


async def _things(house: House) -> dict[str, str]:
    """Make one thing of each kind, so that not every call ends at its path."""
    payment = await house.pay()
    config = house.credentials.config_token
    made = await house.call("POST", "/webhooks/auth", {"type": "hmac_signature", "name": "x"}, token=config)
    hook = {"url": "http://127.0.0.1:1/", "event": "PAYMENT_STATE_UPDATED"}
    webhook = await house.call("POST", "/webhooks", hook, token=config)
    return {
        "payment_id": str(payment["id"]),
        "client_id": house.sibling.client_id,
        "auth_id": str(made.json()["id"]),
        "webhook_id": str(webhook.json()["id"]),
        "connector": house.test_bank,
    }


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
        case.path_parameters = {
            **(case.path_parameters or {}),
            **{k: ids[k] for k in ids if "{" + k + "}" in case.path},
        }
        answer = case.call(base_url=base_url, headers={"authorization": f"Bearer {token}"})
        case.validate_response(answer, checks=CHECKS)

    throw()
