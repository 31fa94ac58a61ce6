"""What `pip install opengiro` gives: the whole program, from an empty folder, with nothing of the checkout in reach."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from opengiro_kit.powens import Credentials, PaymentState, PowensClient

from opengiro.cli.directory import TEST_BANK_ID
from tests.packaging.installed import Installed, order, pay
from tests.ports import free_port

BACK = "https://kites.example/return"


def credentials(api: str, printed: dict[str, Any], back: str) -> Credentials:
    return Credentials(api, printed["client_id"], printed["client_secret"], redirect_uris=(back,))


def fetched(http: httpx2.Client, page: httpx2.Response) -> dict[str, int]:
    """Fetch all that a page names by `src` or `href` and shows itself; return the statuses."""
    named = re.findall(r'(?:src|href)="([^"#]+\.(?:css|js|svg|woff2)(?:\?[^"]*)?)"', page.text)
    return {path: http.get(urljoin(str(page.url), path)).status_code for path in named}


def test_nothing_of_the_checkout_is_in_reach(installed: Installed, tmp_path: Path) -> None:
    code = """if True:
        import opengiro, opengiro_sandbox
        from importlib.util import find_spec
        print(opengiro.__file__, opengiro_sandbox.__file__, find_spec("demo_shop"), find_spec("opengiro_kit"))
    """
    ours, sandbox, shop, kit = installed.python(code, tmp_path).split()
    assert Path(ours).is_relative_to(installed.venv)
    assert Path(sandbox).is_relative_to(installed.venv)
    assert (shop, kit) == ("None", "None")


def test_the_command_helps(installed: Installed, tmp_path: Path) -> None:
    helped = installed.run("--help", folder=tmp_path)
    assert helped.returncode == 0
    assert all(verb in helped.stdout for verb in ("dev", "serve", "migrate", "check", "merchant", "bank"))


def test_a_laptop_takes_a_payment_through_pages_with_all_their_files(installed: Installed, tmp_path: Path) -> None:
    data = tmp_path / "data"
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    start = ("dev", "--no-open", "--port", port, "--data", data)
    with (
        installed.serving(*start, url=url, folder=tmp_path) as printed,
        httpx2.Client(trust_env=False, follow_redirects=True, headers={"accept-language": "fr"}) as http,
    ):
        world = json.loads((data / "dev.json").read_text())
        demo = credentials(world["powens"]["base_url"], world["powens"], f"{url}/inbox/callback")
        assert pay(demo, TEST_BANK_ID).state == PaymentState.DONE

        checkout = http.get(unpaid(demo))
        assert "Choisissez votre banque" in checkout.text
        assert 'lang="fr"' in checkout.text
        home = http.get(f"{url}/")
        pages = (checkout, home, http.get(f"{url}/inbox"), http.get(f"{url}/sandbox/mercure/phone"))
        for page in pages:
            found = fetched(http, page)
            assert found, page.url
            assert set(found.values()) == {200}, found
        for path in ("/widget/ecommerce.js", "/2.0/openapi.json", "/api/openapi.json", "/sandbox/horizon/ledger"):
            assert http.get(f"{url}{path}").status_code == 200, path

        assert "Demo shop   not installed: it comes with the source" in printed.read_text()
        assert "The demo shop is not installed" in home.text
        assert 'href="/shop/"' not in home.text
        assert world["shop_url"] == ""


def unpaid(demo: Credentials) -> str:
    """Return the link to the checkout of a payment that nobody has begun to pay."""
    with PowensClient(demo) as client:
        payment = client.create_payment(order(demo))
        return client.webview_url(client.scoped_token(payment.id), demo.redirect_uris[0])


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with the settings of a server that has the test bank, and its merchant."""

    folder: Path
    url: str
    merchant: Credentials


@pytest.fixture(scope="module")
def site(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    port = free_port()
    (folder / "opengiro.toml").write_text(f'data = "{folder / "data"}"\nport = {port}\nshutdown_s = 1\n')
    (folder / "banks.json").write_text(json.dumps([{"connector": "test_bank"}]))
    assert installed.run("bank", "import", "banks.json", folder=folder).returncode == 0
    names = ("Kites", "--legal-name", "Kites SARL", "--domain", "kites", "--zone", "Europe/Paris")
    made = installed.run("merchant", "create", *names, "--redirect-uri", BACK, folder=folder)
    url = f"http://127.0.0.1:{port}"
    return Site(folder, url, credentials(f"{url}/2.0", json.loads(made.stdout), BACK))


def test_a_server_takes_a_payment_by_its_settings_file(installed: Installed, site: Site) -> None:
    with installed.serving("serve", url=site.url, folder=site.folder):
        assert pay(site.merchant, TEST_BANK_ID).state == PaymentState.DONE


def test_a_server_writes_to_its_data_folder_and_nowhere_else(installed: Installed, site: Site) -> None:
    view = read_only_but(site.folder / "data")
    assert subprocess.run([*view, "touch", site.folder / "elsewhere"], capture_output=True, check=False).returncode != 0
    with installed.serving("serve", url=site.url, folder=site.folder, before=view):
        assert pay(site.merchant, TEST_BANK_ID).state == PaymentState.DONE


def read_only_but(data: Path) -> list[str | Path]:
    """Return the beginning of a command that sees every disk read-only, but for one folder."""
    script = """
        mount --bind "$1" "$1"
        while read -r _ at _; do
            case $at in
                "$1" | /proc* | /sys*) ;;
                *) mount -o remount,bind,ro "$at" ;;
            esac
        done </proc/mounts
        shift
        exec "$@"
    """
    view: list[str | Path] = ["unshare", "--mount", "/bin/sh", "-euc", script, "sh", data]
    if shutil.which("unshare") is None or subprocess.run([*view, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user or system allows no mounts of one's own")
    return view
