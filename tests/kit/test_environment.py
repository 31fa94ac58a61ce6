"""Going live is configuration: presets, variables, a file, and what a laptop's server writes."""

from pathlib import Path

import pytest
from opengiro_kit import banq, powens
from opengiro_kit.environment import Unconfigured, addresses, from_env, from_tables, from_toml

SHOP = {
    "OPENGIRO_POWENS_DOMAIN": "demo",
    "OPENGIRO_POWENS_CLIENT_ID": "4711",
    "OPENGIRO_POWENS_CLIENT_SECRET": "the-secret",
    "OPENGIRO_BANQ_CLIENT_ID": "the-client",
    "OPENGIRO_BANQ_USERNAME": "the-name",
    "OPENGIRO_BANQ_PASSWORD": "the-password",
    "OPENGIRO_BANQ_BANQ_GUID": "c14cd3a1",
    "PATH": "/bin",
}


@pytest.mark.parametrize(
    ("environment", "powens_url", "banq_url", "token_url"),
    [
        (
            "sandbox",
            "https://demo-sandbox.biapi.pro/2.0",
            "https://sandbox.banq.com/api/",
            "https://banq-staging.auth0.com/oauth/token",
        ),
        (
            "production",
            "https://demo.biapi.pro/2.0",
            "https://api.banq.com/api/",
            "https://banq-prod.auth0.com/oauth/token",
        ),
        (
            "https://pay.shop.example/",
            "https://pay.shop.example/2.0",
            "https://pay.shop.example/api/",
            "https://pay.shop.example/oauth/token",
        ),
    ],
)
def test_one_variable_is_all_that_going_live_changes(
    environment: str, powens_url: str, banq_url: str, token_url: str
) -> None:
    settings = from_env(SHOP | {"OPENGIRO_ENVIRONMENT": environment})
    assert settings.powens is not None
    assert settings.banq is not None
    assert (settings.powens.base_url, settings.powens.client_secret) == (powens_url, "the-secret")
    assert (settings.banq.base_url, settings.banq.token_url) == (banq_url, token_url)
    assert (settings.banq.password, settings.banq.banq_guid) == ("the-password", "c14cd3a1")


def test_the_original_services_state_no_currency_and_our_own_server_does() -> None:
    currencies = [addresses(one).banq_currency for one in ("sandbox", "production", "https://pay.example")]
    assert currencies == ["USD", "USD", ""]


def test_the_widget_is_served_where_it_is_known_to_be() -> None:
    assert addresses("sandbox").widget_url == "https://sandbox.banq.com/widget/ecommerce.js"
    assert addresses("https://pay.example").widget_url == "https://pay.example/widget/ecommerce.js"


def test_a_sandbox_domain_is_not_doubled() -> None:
    assert addresses("sandbox", "demo-sandbox") == addresses("sandbox", "demo")


def test_a_file_says_the_same_and_an_address_outright_wins(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(
        'environment = "production"\n[powens]\nclient_id = 4711\nclient_secret = "s"\nbase_url = "http://x/2.0"\n'
        'redirect_uris = ["https://shop.example/return"]\n'
    )
    settings = from_toml(path)
    uris = ("https://shop.example/return",)
    assert settings.powens == powens.Credentials("http://x/2.0", "4711", "s", redirect_uris=uris)
    assert settings.banq is None


def test_the_world_of_a_laptop_is_read_as_it_stands() -> None:
    dev = {
        "powens": {"base_url": "http://x/2.0", "domain": "demo", "client_id": "47", "client_secret": "s", "novel": 1},
        "banq": {
            "base_url": "http://x/api/",
            "token_url": "http://x/oauth/token",
            "client_id": "1",
            "username": "u",
            "password": "p",
            "user": {"client_id": "pub", "username": "ada@shop.example", "password": "hers"},
            "company_id": "acme",
            "banq_guid": "b",
            "account_space_id": "s",
        },
        "widget_url": "http://x/widget/ecommerce.js",
    }
    settings = from_tables(dev)
    assert settings.widget_url == "http://x/widget/ecommerce.js"
    assert settings.banq == banq.Credentials(
        "http://x/api/",
        "http://x/oauth/token",
        "1",
        username="u",
        password="p",
        company_id="acme",
        user_client_id="pub",
        user_name="ada@shop.example",
        user_password="hers",
        banq_guid="b",
        account_space_id="s",
    )


def test_the_spelling_is_configuration_too() -> None:
    settings = from_env(SHOP | {"OPENGIRO_ENVIRONMENT": "sandbox", "OPENGIRO_BANQ_SPELLING": "client"})
    assert settings.banq is not None
    assert settings.banq.spelling is banq.Spelling.CLIENT


@pytest.mark.parametrize("environment", ["", "prod", "ftp://pay.example"])
def test_an_environment_that_does_not_exist_is_told_at_once(environment: str) -> None:
    with pytest.raises(Unconfigured):
        from_env(SHOP | {"OPENGIRO_ENVIRONMENT": environment})


def test_a_wire_that_nobody_configured_is_not_used() -> None:
    settings = from_env({"OPENGIRO_ENVIRONMENT": "sandbox"})
    assert (settings.powens, settings.banq) == (None, None)
