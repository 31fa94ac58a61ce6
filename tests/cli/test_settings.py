"""Settings come from the environment, then the file, then the defaults, and a wrong one says so in a sentence."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from opengiro.settings import Settings, WrongSetting, read_settings

EXAMPLE = Path(__file__).parents[2] / "opengiro.example.toml"
KEY = "0f" * 32


def read(tmp_path: Path, text: str = "", **environment: str) -> Settings:
    path = tmp_path / "opengiro.toml"
    path.write_text(text)
    return read_settings(path, environment)


def refusal(tmp_path: Path, text: str = "", **environment: str) -> str:
    with pytest.raises(WrongSetting) as wrong:
        read(tmp_path, text, **environment)
    return str(wrong.value)


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert read_settings(EXAMPLE, {}) == Settings()
    assert list(tomllib.loads(EXAMPLE.read_text())) == [one.name for one in fields(Settings)]


def test_the_example_explains_every_setting() -> None:
    paragraphs = [block.splitlines() for block in EXAMPLE.read_text().split("\n\n")[1:]]
    assert all(lines[0].startswith("# ") and not lines[-1].startswith("#") for lines in paragraphs)
    assert sum(not line.startswith("#") for lines in paragraphs for line in lines) == len(fields(Settings))


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    found = read(tmp_path, "port = 8001\nshutdown_s = 3\n", OPENGIRO_PORT="8002")
    assert (found.port, found.shutdown_s, found.host) == (8002, 3, "127.0.0.1")


def test_a_list_in_the_environment_is_written_with_commas(tmp_path: Path) -> None:
    found = read(tmp_path, OPENGIRO_PRIVATE_HOSTS="shop.internal, 10.0.0.7", OPENGIRO_PROXIES="10.0.0.0/8")
    assert (found.private_hosts, found.proxies) == (frozenset({"shop.internal", "10.0.0.7"}), ("10.0.0.0/8",))


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    found = read(tmp_path, OPENGIRO_ROOT_KEY_FILE=str(tmp_path / "key"))
    assert found.root_key == bytes.fromhex(KEY)
    assert "root_key" not in repr(found)
    assert "0f0f" not in refusal(tmp_path, OPENGIRO_ROOT_KEY=KEY + "0f")
    assert "771" not in refusal(tmp_path, "root_key = 771")


def test_a_secret_whose_file_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    said = refusal(tmp_path, OPENGIRO_ROOT_KEY_FILE=gone)
    assert said == f"OPENGIRO_ROOT_KEY_FILE names {gone}, which cannot be read: No such file or directory."


@pytest.mark.parametrize("variable", ["OPENGIRO_ROOT_KEY_FILE", "OPENGIRO_DATABASE_URL_FILE"])
def test_a_secret_whose_file_is_empty_stops_the_start(tmp_path: Path, variable: str) -> None:
    empty = tmp_path / "empty"
    empty.write_text(" \n")
    assert refusal(tmp_path, **{variable: str(empty)}) == f"{variable} names {empty}, which is empty."


@pytest.mark.parametrize(
    "hosts", ["[::1", "db:x", "db:99999", "db:0", "one,two:x", "db:pass/word@db", "one:1:2", "[::1]x", "[db]"]
)
def test_a_database_url_that_cannot_be_read_is_refused_without_being_shown(tmp_path: Path, hosts: str) -> None:
    said = refusal(tmp_path, OPENGIRO_DATABASE_URL=f"postgresql://me:confidential@{hosts}/house")
    assert said.startswith("OPENGIRO_DATABASE_URL must be postgresql://")
    assert "confidential" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://db",
        "postgresql:///house?host=/run/postgresql",
        "postgresql://me:p%40ss@one:5432,[::1]:5433,two/house?sslmode=verify-full",
    ],
)
def test_a_database_url_may_name_several_hosts_or_none(tmp_path: Path, url: str) -> None:
    assert read(tmp_path, OPENGIRO_DATABASE_URL=url).database_url == url


def test_metrics_have_a_port_of_their_own(tmp_path: Path) -> None:
    said = refusal(tmp_path, "port = 8001\nmetrics_port = 8001")
    assert said == "metrics_port is 8001, where the server itself listens: choose another."


def test_a_secret_given_twice_stops_the_start(tmp_path: Path) -> None:
    said = refusal(tmp_path, OPENGIRO_ROOT_KEY_FILE="key", OPENGIRO_ROOT_KEY=KEY)
    assert said == "OPENGIRO_ROOT_KEY_FILE and OPENGIRO_ROOT_KEY are both set: keep one."


def test_variables_of_the_merchants_kit_are_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, OPENGIRO_POWENS_CLIENT_ID="1", OPENGIRO_ENVIRONMENT="sandbox") == Settings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("prot = 1", "prot in "),
        ("[server]\nport = 1", "server in "),
        ('port = "8000"', "port in "),
        ("port = 0", "port in "),
        ("port = true", "port in "),
        ("workers = 0", "workers in "),
        ('host = "pay.example"', "host in "),
        ('data = ""', "data in "),
        ('proxies = ["proxy.example"]', "proxies in "),
        ('private_hosts = "*"', "private_hosts in "),
        ('private_hosts = ["https://shop.example/"]', "private_hosts in "),
        ('base_url = "http://pay.example"', "base_url in "),
        ('base_url = "https://pay.example/"', "base_url in "),
        ('base_url = "https://pay.example:99999"', "base_url in "),
        ('base_url = "https://user@pay.example"', "base_url in "),
        ('base_url = "pay.example"', "base_url in "),
        ("port = ", "The settings file "),
        ('host = "0.0.0.0"', "base_url is missing: "),
    ],
)
def test_a_wrong_line_is_named_in_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    found = refusal(tmp_path, line)
    assert found.startswith(said)
    assert found.endswith(".")
    assert "\n" not in found


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("PROT", "1"), ("DATA_FILE", "x"), ("WORKERS", "0")])
def test_a_wrong_variable_is_named_in_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    assert refusal(tmp_path, **{f"OPENGIRO_{name}": value}).startswith(f"OPENGIRO_{name} ")


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="cannot be read: No such file"):
        read_settings(tmp_path / "gone.toml", {})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_needs_no_address_of_its_own(tmp_path: Path, host: str) -> None:
    shown = "[::1]" if host == "::1" else host
    assert read(tmp_path, f'host = "{host}"').own_url == f"http://{shown}:8000"
