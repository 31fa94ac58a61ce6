"""The banq wire: password tokens, get-paid-link, short links, webhooks per account space.

It exports two values, because the token endpoint lives beside the wire and words its errors in another way.
"""

from __future__ import annotations

from opengiro.dialects import Dialect
from opengiro.dialects.banq import wording
from opengiro.dialects.banq.bearer import authenticate
from opengiro.dialects.banq.grants import GRANTS
from opengiro.dialects.banq.pages import farewell, pages
from opengiro.dialects.banq.payments import DIALECT as NAME
from opengiro.dialects.banq.payments import PREFIX
from opengiro.dialects.banq.routes import ROUTES
from opengiro.dialects.banq.schema import ErrorOut
from opengiro.dialects.banq.write import receipt, write_event

__all__ = ["DIALECT", "GRANTS", "farewell", "receipt", "write_event"]

DIALECT = Dialect(
    name=NAME,
    prefix=PREFIX,
    routes=ROUTES,
    error=ErrorOut,
    scopes=wording.AUDIENCES,
    headers={"X-Company-Id": "the company, account space or platform the caller acts for (optional)"},
    refuse=wording.refuse,
    broke=wording.broke,
    no_route=wording.no_route,
    wrong_method=wording.wrong_method,
    pages=pages,
    authenticate=authenticate,
)
