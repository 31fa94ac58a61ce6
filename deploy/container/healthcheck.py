"""Exits with 0 while the server in this container answers; the image has no curl."""

# ruff: noqa: INP001  # a script that the image takes as it is

import http.client
import os
import sys


def healthy(port: int) -> bool:
    """Ask once, and give it three seconds."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


if __name__ == "__main__":
    sys.exit(not healthy(int(os.environ.get("OPENGIRO_PORT", "8000"))))
