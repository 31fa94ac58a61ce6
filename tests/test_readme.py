"""What the papers tell people to run is run here, as it stands, against a real `opengiro dev`."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from opengiro.cli.directory import TEST_BANK_ID
from tests.cli.laptop import Laptop, run, started

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    return [text for found, text in FENCE.findall((ROOT / page).read_text()) if found == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder in which a reader follows us."""
    return tmp_path


@pytest.fixture
def laptop(folder: Path) -> Iterator[Laptop]:
    with started(folder / ".opengiro") as running:
        yield running


def shell(script: str, folder: Path) -> str:
    """Run lines as a careful shell does, and return what they print."""
    if shutil.which("curl") is None:
        pytest.skip("no curl on PATH")
    ran = subprocess.run(
        ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def opened(link: str) -> str:
    """Open a link as a browser does, and return the page."""
    with httpx2.Client(trust_env=False, follow_redirects=True) as browser:
        answer = browser.get(link)
    assert answer.status_code == 200
    return str(answer.text)


def test_the_readme_takes_a_payment_from_start_to_end(laptop: Laptop, folder: Path) -> None:
    (script,) = blocks("README.md", "sh")
    link, state = shell(script, folder).splitlines()
    assert state == "done"
    # It is paid by now, so the link leads its payer straight back.
    assert "The payer came back" in opened(link.removeprefix("Pay here: "))


def test_the_home_page_takes_a_payment_to_its_checkout(laptop: Laptop, folder: Path) -> None:
    page = laptop.http.get(laptop.url).text
    found = re.search(r"<pre id=\"journey\"[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert found is not None
    printed = shell(html.unescape(found[1]), folder)
    page = opened(printed.strip().removeprefix("Pay here: "))
    assert "Order 77" in page
    assert "Horizon Bleu" in page


def test_the_quickstart_reads_its_first_webhook(laptop: Laptop, folder: Path) -> None:
    (script,) = blocks("docs/start/quickstart.md", "python")
    (folder / "receive.py").write_text(script)
    with subprocess.Popen(
        [sys.executable, "receive.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as receiver:
        limit = threading.Timer(30, receiver.kill)
        limit.start()
        lines = receiver.stdout or ()
        said = iter(lines)
        link = next(said).strip().removeprefix("Pay here: ")
        assert "50.90" in opened(link)
        number = int(re.search(r"payment_id=(\d+)", link)[1])  # type: ignore[index]  # it is in every link
        laptop.validate(number, TEST_BANK_ID)
        heard = [next(said).strip(), next(said).strip()]
        receiver.kill()
        limit.cancel()
    assert heard == [f"payment {number} is validating", f"payment {number} is done"]


def test_the_quickstart_makes_a_client_of_ones_own(laptop: Laptop, folder: Path) -> None:
    (script,) = [text for text in blocks("docs/start/quickstart.md", "console") if "/clients" in text]
    printed = shell(re.sub(r"^\$ ", "", script, flags=re.MULTILINE), folder)
    assert '"secret":"' in printed
    assert '"redirect_uris":"http://localhost:3000/return"' in printed


@pytest.mark.parametrize("page", ["README.md", "docs/start/quickstart.md"])
def test_every_move_of_the_clock_that_is_shown_works(laptop: Laptop, page: str) -> None:
    commands = re.findall(r"^\$ \.venv/bin/opengiro (time \S+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert commands
    for command in commands:
        assert run(*command.split(), "--data", laptop.data).returncode == 0


def test_the_regulated_activity_is_named_on_the_first_screen() -> None:
    assert "Regulated activity" in "".join((ROOT / "README.md").read_text().splitlines(keepends=True)[:20])
