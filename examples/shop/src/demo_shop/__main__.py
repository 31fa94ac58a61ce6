"""Runs the shop alone, against the service described by a `dev.json`."""

import argparse
import json
from pathlib import Path
from typing import Any

import uvicorn
from opengiro_kit import Credentials

from demo_shop.app import build


def read_credentials(dev: Path) -> Credentials:
    """Read where the service is from the file that `opengiro dev` writes."""
    powens: dict[str, Any] = json.loads(dev.read_text())["powens"]
    return Credentials(
        base_url=powens["base_url"],
        client_id=str(powens["client_id"]),
        client_secret=powens["client_secret"],
        domain=powens.get("domain", ""),
        config_token=powens.get("config_token", ""),
        redirect_uris=tuple(powens.get("redirect_uris", ())),
    )


def main() -> None:
    """Serve the shop until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m demo_shop", description=__doc__)
    parser.add_argument("dev", type=Path, help="the dev.json that `opengiro dev` wrote")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--data", type=Path, default=Path("shop-data"), help="folder of shop.db")
    asked = parser.parse_args()
    shop_url = f"http://127.0.0.1:{asked.port}"
    shop = build(asked.data, shop_url, read_credentials(asked.dev))
    uvicorn.run(shop, host="127.0.0.1", port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
