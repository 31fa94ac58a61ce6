"""Run the sandbox banks alone: python -m opengiro_sandbox --port 9100 --data ./data."""

import argparse
from pathlib import Path

import uvicorn

from opengiro_sandbox.sandbox import build_alone


def main() -> None:
    """Serve the banks on loopback until stopped."""
    parser = argparse.ArgumentParser(prog="python -m opengiro_sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--data", type=Path, default=Path("data"))
    arguments = parser.parse_args()
    app = build_alone(arguments.data, f"http://127.0.0.1:{arguments.port}")
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
