"""Where the system's Chromium is, if there is one."""

from __future__ import annotations

import shutil

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))),
    None,
)
WHY_NOT = "no Chromium or Chrome on PATH; `make test` says how to install one"
