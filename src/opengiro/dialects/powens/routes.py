"""Every operation of the powens wire as a list; the OpenAPI document is generated from it."""

from __future__ import annotations

from opengiro.dialects import Route
from opengiro.dialects.powens import payments, tokens
from opengiro.dialects.powens.listing import QUERY
from opengiro.dialects.powens.schema import (
    PaymentIn,
    PaymentOut,
    PaymentsOut,
    ScopedTokenIn,
    ScopedTokenOut,
    TokenIn,
    TokenOut,
    UpdateIn,
)
from opengiro.domain.rights import Right

_SENSITIVE = {"show_sensitive": QUERY["show_sensitive"]}
_ANY_OF_ONE = (Right.VALIDATE, Right.CANCEL)

ROUTES = (
    Route(
        method="POST",
        path="/auth/token",
        handler=tokens.create_token,
        summary="Get a service token",
        rights=None,
        reads=TokenIn,
        writes=TokenOut,
    ),
    Route(
        method="GET",
        path="/payments",
        handler=payments.list_payments,
        summary="List payments",
        rights=(Right.READ,),
        writes=PaymentsOut,
        query=QUERY,
    ),
    Route(
        method="POST",
        path="/payments",
        handler=payments.create,
        summary="Create a payment",
        rights=(Right.MANAGE,),
        reads=PaymentIn,
        writes=PaymentOut,
        query=_SENSITIVE,
        keeps_receipt=True,
    ),
    Route(
        method="GET",
        path="/payments/{payment_id}",
        handler=payments.read,
        summary="Read a payment",
        rights=(Right.READ, Right.VALIDATE),
        writes=PaymentOut,
        query=_SENSITIVE,
    ),
    Route(
        method="POST",
        path="/payments/{payment_id}",
        handler=payments.update,
        summary="Validate, resume, answer, confirm or cancel a payment",
        rights=_ANY_OF_ONE,
        reads=UpdateIn,
        writes=PaymentOut,
        query=_SENSITIVE,
    ),
    Route(
        method="PUT",  # PU32: an alias
        path="/payments/{payment_id}",
        handler=payments.update,
        summary="Validate, resume, answer, confirm or cancel a payment",
        rights=_ANY_OF_ONE,
        reads=UpdateIn,
        writes=PaymentOut,
        query=_SENSITIVE,
    ),
    Route(
        method="POST",
        path="/payments/{payment_id}/scopedtoken",
        handler=tokens.create_scoped_token,
        summary="Get a token for one payment",
        rights=(Right.VALIDATE,),
        reads=ScopedTokenIn,
        writes=ScopedTokenOut,
    ),
)
