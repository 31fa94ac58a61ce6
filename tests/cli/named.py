"""A site whose settings name its database themselves, whichever engine the other tests use."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.cli.operator import Site
from tests.ports import free_port


class Named(Site):
    """What an operator has who wrote `database_url` into the settings."""

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENGIRO_")}
        return {name: value for name, value in plain.items() if name.lower() != "http_proxy"} | more


def named_site(folder: Path, url: str, **settings: object) -> Named:
    """Write the settings of a site on a free port with this database."""
    site = Named(folder, free_port())
    lines = {"port": site.port, "shutdown_s": 1, "database_url": url, **settings}
    path = folder / "opengiro.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
    path.chmod(0o640)
    return site
