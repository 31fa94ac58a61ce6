"""The programs of the guides, run as they stand: a link is asked for, paid, and the order turns paid."""

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.kit.banq_wire import BanqWire
from tests.ports import free_port
from tests.shop.loopback import wait_until

GUIDES = Path(__file__).parents[2] / "docs/guides"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["shop"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db"}}
"""


def programs(guide: str) -> list[str]:
    """Return the Python of a guide, block by block."""
    return FENCE.findall((GUIDES / guide).read_text())


def variables(wire: BanqWire) -> dict[str, str]:
    """Return what a shop of the double is configured with."""
    known = wire.credentials
    told = {
        "ENVIRONMENT": wire.base_url,
        "BANQ_CLIENT_ID": known.client_id,
        "BANQ_USERNAME": known.username,
        "BANQ_PASSWORD": known.password,
        "BANQ_BANQ_GUID": known.banq_guid,
        "BANQ_ACCOUNT_SPACE_ID": known.account_space_id,
        "BANQ_USER_NAME": known.user_name,
        "BANQ_USER_PASSWORD": known.user_password,
    }
    return {**os.environ, **{f"OPENGIRO_{name}": value for name, value in told.items()}}


@contextmanager
def running(folder: Path, wire: BanqWire, *command: str) -> Iterator[str]:
    """Run a program of the folder with a port in place of PORT until it answers, and stop it at the end."""
    port = str(free_port())
    words = [sys.executable, "-m", *(word.replace("PORT", port) for word in command)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, env=variables(wire), stdout=log, stderr=log)

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/pay/orders/none/standing").status_code == 404
        except httpx2.TransportError:
            return False

    try:
        wait_until(answers, 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def paid_by_widget(shop: str, wire: BanqWire) -> None:
    """Be a page that asks for a link, the payer, and the service that tells of it."""
    body = {"orderId": "009221", "comment": "Demo Widget Banq", "funds": 2}
    link = httpx2.post(f"{shop}/pay/generate-payment-link", json=body).json()["data"]["url"]
    (guid,) = wire.guids
    assert link == wire.payments[guid]["url"]
    assert httpx2.get(f"{shop}/pay/orders/009221/live").json()["token"] == "live"
    wire.set_status(guid, "completed")
    event = {"action": "completed", "resourceType": "Payment", "resourceId": guid}
    assert httpx2.post(f"{shop}/pay/webhooks/banq", json=event).status_code == 204
    assert httpx2.get(f"{shop}/pay/orders/009221/standing").json() == {"standing": "paid"}


@pytest.mark.parametrize(
    ("guide", "command"),
    [
        ("fastapi.md", ("uvicorn", "shop:app", "--port", "PORT")),
        ("flask.md", ("flask", "--app", "shop", "run", "--port", "PORT")),
    ],
)
def test_a_shop_in_one_file_is_paid(guide: str, command: tuple[str, ...], banq_wire: BanqWire, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(programs(guide)[0])
    with running(tmp_path, banq_wire, *command) as shop:
        with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
            db.execute("INSERT INTO orders (id, amount) VALUES ('009221', '2.00')")
        paid_by_widget(shop, banq_wire)
    assert orders_paid(tmp_path, "orders") == [("009221", 1)]


def test_a_project_of_django_is_paid(banq_wire: BanqWire, tmp_path: Path) -> None:
    files = {found[1]: text for text in programs("django.md") if (found := re.match(r"# (shop/\S+)\n", text))}
    assert sorted(files) == ["shop/migrations/0002_claims.py", "shop/models.py", "shop/payments.py", "shop/urls.py"]
    (tmp_path / "shop/migrations").mkdir(parents=True)
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "shop/migrations/__init__.py").write_text("")
    later = files.pop("shop/migrations/0002_claims.py")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    managed(tmp_path, banq_wire, "makemigrations", "shop", "--name", "initial")
    (tmp_path / "shop/migrations/0002_claims.py").write_text(later)
    managed(tmp_path, banq_wire, "migrate")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as db, db:
        db.execute("INSERT INTO shop_order (id, amount, payment, paid) VALUES ('009221', 2, '', 0)")
    serve = ("django", "runserver", "PORT", "--noreload", "--settings", "settings", "--pythonpath", ".")
    with running(tmp_path, banq_wire, *serve) as shop:
        paid_by_widget(shop, banq_wire)
    assert orders_paid(tmp_path, "shop_order") == [("009221", 1)]


def managed(folder: Path, wire: BanqWire, *command: str) -> None:
    """Run a command of Django's in a project."""
    words = [sys.executable, "-m", "django", *command, "--settings", "settings", "--pythonpath", "."]
    subprocess.run(words, cwd=folder, env=variables(wire), check=True, capture_output=True)


@pytest.mark.parametrize(("guide", "says"), [("kit.md", "created"), ("going-live.md", "till")])
def test_the_lines_of_the_other_guides_run_in_one_go(
    guide: str, says: str, banq_wire: BanqWire, tmp_path: Path
) -> None:
    program = "\n".join(programs(guide))
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=variables(banq_wire),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert says in ran.stdout
    assert "the-password" not in ran.stdout


def orders_paid(folder: Path, table: str) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(folder / "shop.db")) as db:
        return db.execute(f"SELECT id, paid FROM {table}").fetchall()  # noqa: S608  # one of two names above
