"""The official file that judges every answer, and a running sandbox."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from tests.connectors.official import of_periodic
from tests.sandbox.tpp import Answer, Bank, Judge, Sandbox

OFFICIAL = "specs/berlin/psd2-api_v1.3.11-2021-10-01v1.yaml"


def _stringly(node: object) -> Any:
    """Give the file the types of JSON: YAML reads status codes as numbers and samples as dates."""
    if isinstance(node, dict):
        return {str(key): _stringly(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_stringly(value) for value in node]
    return node.isoformat() if isinstance(node, date) else node


@pytest.fixture(scope="session")
def official(shared: Path) -> OpenAPI:
    """The official file, loaded once."""
    return OpenAPI.from_dict(_load(shared))


@pytest.fixture(scope="session")
def official_of_periodic(shared: Path) -> OpenAPI:
    """The official file as it is meant for standing orders."""
    return OpenAPI.from_dict(of_periodic(_load(shared)))


def _load(shared: Path) -> Any:
    loaded = _stringly(yaml.load((shared / OFFICIAL).read_text("utf-8"), yaml.CSafeLoader))
    return loaded | {"servers": [{"url": "http://bank.example"}]}


@pytest.fixture(scope="session")
def judge(request: pytest.FixtureRequest) -> Judge:
    """Hold an answer against the official file; without the file beside the checkout the stories run unjudged."""
    try:
        openapi: OpenAPI = request.getfixturevalue("official")
    except pytest.skip.Exception:
        return lambda method, path, answer: None
    periodic: OpenAPI = request.getfixturevalue("official_of_periodic")
    return lambda method, path, answer: hold_against(
        periodic if path.startswith("/v1/periodic-payments") else openapi, method, path, answer
    )


def hold_against(openapi: OpenAPI, method: str, path: str, answer: Answer) -> None:
    """Fail when the official file declares this answer otherwise."""
    judged = MockResponse(
        answer.content,
        status_code=answer.status_code,
        headers=dict(answer.headers),
        content_type=answer.headers.get("content-type", ""),
    )
    errors = list(openapi.iter_response_errors(MockRequest("http://bank.example", method.lower(), path), judged))
    assert not errors, (method, path, answer.status_code, answer.text, errors)


@pytest.fixture
def stopped(tmp_path: Path, judge: Judge) -> Sandbox:
    return Sandbox(tmp_path, judge)


@pytest.fixture
def sandbox(stopped: Sandbox) -> Iterator[Sandbox]:
    with stopped.running() as running:
        yield running


@pytest.fixture
def horizon(sandbox: Sandbox) -> Bank:
    return sandbox.bank("horizon")
