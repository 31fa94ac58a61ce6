"""Runs the shop alone, against the service described by a `dev.json`."""

import argparse
import json
from pathlib import Path

import uvicorn

from demo_shop.app import build, read_settings


def main() -> None:
    """Serve the shop until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m demo_shop", description=__doc__)
    parser.add_argument("dev", type=Path, help="the dev.json that `opengiro dev` wrote")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--data", type=Path, default=Path("shop-data"), help="folder of shop.db")
    asked = parser.parse_args()
    shop_url = f"http://127.0.0.1:{asked.port}"
    settings = read_settings(json.loads(asked.dev.read_text()))
    shop = build(asked.data, shop_url, settings)
    uvicorn.run(shop, host="127.0.0.1", port=asked.port, log_level="warning")


if __name__ == "__main__":
    main()
