"""The powens wire: token, payment, payment-scoped token, hosted webview, callback, webhooks."""

from __future__ import annotations

from opengiro.dialects import Dialect
from opengiro.dialects.powens import wording
from opengiro.dialects.powens.routes import ROUTES
from opengiro.dialects.powens.webview import farewell, pages
from opengiro.dialects.powens.write import View, write_event

__all__ = ["DIALECT", "View", "farewell", "write_event"]

DIALECT = Dialect(
    name="powens",
    prefix="/2.0",
    routes=ROUTES,
    error=wording.ErrorOut,
    scopes=wording.SCOPES,
    refuse=wording.refuse,
    broke=wording.broke,
    no_route=wording.no_route,
    wrong_method=wording.wrong_method,
    pages=pages,
)
