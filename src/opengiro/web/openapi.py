"""The OpenAPI document of a dialect, generated from the routes that are served, so that it cannot differ from them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from opengiro import __version__
from opengiro.dialects import Dialect, Route
from opengiro.domain.rights import Principal, Right

_PARAMETER = re.compile(r"\{(\w+)\}")
_BEARER: dict[str, list[str]] = {"bearer": []}
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"

PROBLEMS = {
    400: "A property or parameter is missing or not allowed, or this cannot be done.",
    401: "The token or the client's credentials are missing or not valid.",
    403: "The token may not do this.",
    404: "There is no such thing for this caller.",
    409: "It is in a state that this call does not fit, or its first call still runs.",
    413: "The request body is too large.",
    422: "The idempotency key came with another body before.",
    429: "There were too many calls; Retry-After says how long to wait.",
    500: "A malfunction of the server.",
    501: "There is no such kind of token.",
    503: "The bank or the server cannot be used at present.",
}
"""Every status that refuses, and what it says."""


def describe(dialect: Dialect) -> dict[str, Any]:
    """Return the document."""
    shapes = [shape for route in dialect.routes for shape in (route.reads, route.writes) if shape is not None]
    used = list({repr(shape): shape for shape in (*shapes, dialect.error)}.values())
    written, components = msgspec.json.schema_components(used, ref_template="#/components/schemas/{name}")
    schemas = {repr(shape): schema for shape, schema in zip(used, written, strict=True)}
    paths: dict[str, Any] = {}
    for route in dialect.routes:
        operation = _operation(dialect, route, schemas, components)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": f"OpenGiro, {dialect.name} wire", "version": __version__},
        "servers": [{"url": dialect.prefix}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {str(status): _problem(status, schemas[repr(dialect.error)]) for status in PROBLEMS},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def operation_id(method: str, path: str) -> str:
    """Return the name of an operation, such as `postPaymentsPaymentIdTerms`."""
    words = re.split(r"[^A-Za-z0-9]+", path.title())
    return method.lower() + "".join(words)


def _operation(dialect: Dialect, route: Route, schemas: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation_id(route.method, route.path),
        "summary": route.summary,
        "security": _security(route),
        "parameters": _parameters(dialect, route),
        "responses": {**_successes(route, schemas), **_problems(route)},
    }
    if route.rights is not None:
        described["description"] = f"Needs {_openers(dialect, route.rights)}."
    if route.reads is not None:
        schema = schemas[repr(route.reads)]
        kinds = (_JSON, _FORM) if _is_flat(schema, components) else (_JSON,)
        described["requestBody"] = {"content": {kind: {"schema": schema} for kind in kinds}}
    return described


def _openers(dialect: Dialect, rights: tuple[Right, ...]) -> str:
    """Return what opens a route: a token with one of these scopes or audiences, or the one that configures."""
    holders = {
        word: Principal(merchant_id=0, client_id=None, rights=frozenset({held}) if isinstance(held, Right) else held)
        for word, held in dialect.scopes.items()
    }
    words = [word for word, holder in holders.items() if any(map(holder.may, rights))]
    return f"a token for one of {', '.join(words)}" if words else "the configuration token"


def _security(route: Route) -> list[dict[str, Any]]:
    if route.rights is not None:
        return [_BEARER]
    return [{}, _BEARER] if route.optional_token else []


def _parameters(dialect: Dialect, route: Route) -> list[dict[str, Any]]:
    named = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    asked = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]
    sent = [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in dialect.headers.items()
    ]
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "minLength": 1, "maxLength": 255}}
    return [*named, *asked, *sent, *([key] if route.method == "POST" and route.rights is not None else [])]


def _successes(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    return {str(status): _success(route, schemas, status) for status in (route.status, route.or_status) if status}


def _success(route: Route, schemas: dict[str, Any], status: int) -> dict[str, Any]:
    described: dict[str, Any] = {"description": route.summary}
    if route.writes is not None:
        described["content"] = {_JSON: {"schema": schemas[repr(route.writes)]}}
    if route.location and status == 201:
        described["headers"] = {"Location": {"schema": {"type": "string"}}}
    if route.leads_to:
        described["links"] = {
            operation_id(method, path): {
                "operationId": operation_id(method, path),
                "parameters": {_PARAMETER.findall(path)[-1]: "$response.body#/id"},
            }
            for method, path in route.leads_to
        }
    return described


def _problems(route: Route) -> dict[str, Any]:
    """Return the refusals that this route can answer with."""
    statuses = {400, 404, 413, 429, 500, 503, *route.refusals}
    if route.rights is not None or route.optional_token:
        statuses |= {401, 403}
    if route.rights is None:
        statuses |= {401}  # wrong credentials
    if route.method != "GET":
        statuses |= {409, 422}
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _problem(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": PROBLEMS[status], "content": {_JSON: {"schema": schema}}}
    if status == 429:
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return described


def _is_flat(schema: dict[str, Any], components: dict[str, Any]) -> bool:
    """Whether a form can carry it: no object inside the object."""
    named = schema.get("$ref", "").rpartition("/")[2]
    properties = components[named].get("properties", {}) if named else {}
    return all("$ref" not in str(one) and "object" not in str(one) for one in properties.values())
