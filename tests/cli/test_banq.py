"""What `opengiro dev` gives to a developer of the banq wire, and that it stays theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.laptop import Laptop, started


def grant(laptop: Laptop, **changes: Any) -> dict[str, Any]:
    """Ask for an Open API token with the credentials of `dev.json`."""
    mine = laptop.world["banq"]
    body = {name: mine[name] for name in ("client_id", "username", "password")}
    body |= {"audience": "https://banq.com/open/api/", "grant_type": "password"} | changes
    answer: dict[str, Any] = laptop.http.post(mine["token_url"], json=body).json()
    return answer


def test_the_credentials_of_dev_json_make_a_payment_link(laptop: Laptop) -> None:
    mine = laptop.world["banq"]
    headers = {"authorization": f"Bearer {grant(laptop)['access_token']}", "x-company-id": mine["company_id"]}
    order = {"destination": {"banqGuid": mine["banq_guid"]}, "funds": 20, "externalOrderCode": "1"}
    created = laptop.http.post(mine["base_url"] + "v1/payments/get-paid-link", json=order, headers=headers)
    assert created.status_code == 201
    assert laptop.http.get(created.json()["url"], follow_redirects=True).status_code == 200


def test_the_person_of_dev_json_finds_the_same_banq_and_space(laptop: Laptop) -> None:
    mine = laptop.world["banq"]
    token = grant(laptop, **mine["user"], audience="https://banq.com/api")["access_token"]
    path = "v1/users/me?include=accountSpaces,banqAccounts"
    me = laptop.http.get(mine["base_url"] + path, headers={"authorization": f"Bearer {token}"}).json()
    assert [one["banqGuid"] for one in me["banqAccounts"]] == [mine["banq_guid"]]
    assert [one["accountSpaceId"] for one in me["accountSpaces"]] == [mine["account_space_id"]]
    assert laptop.world["widget_url"] == f"{laptop.url}/widget/ecommerce.js"


def test_a_restart_keeps_them_and_without_dev_json_only_secrets_are_new(data: Path) -> None:
    with started(data) as first:
        token = grant(first)["access_token"]
        before = first.world["banq"]
    with started(data) as second:
        kept = {name: value for name, value in second.world["banq"].items() if not name.endswith("_url")}
        assert kept == {name: value for name, value in before.items() if not name.endswith("_url")}
        headers = {"authorization": f"Bearer {token}"}
        url = second.world["banq"]["base_url"] + "v1/payments"
        assert second.http.get(url, headers=headers).status_code == 200
    (data / "dev.json").unlink()
    with started(data) as third:
        after = third.world["banq"]
        same = ("username", "company_id", "banq_guid", "account_space_id")
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        assert after["password"] != before["password"]
        assert "access_token" in grant(third)
        assert grant(third, password=before["password"])["error"] == "invalid_grant"


def test_nonsense_in_the_file_counts_as_absent(data: Path) -> None:
    with started(data) as first:
        world = first.world
    (data / "dev.json").write_text(json.dumps({**world, "banq": {"client_id": 7, "user": [], "password": None}}))
    with started(data) as second:
        assert "access_token" in grant(second)
