"""Every operation of the banq wire as a list; the OpenAPI document is generated from it."""

from __future__ import annotations

from opengiro.dialects import Route
from opengiro.dialects.banq import payments, users, webhooks
from opengiro.dialects.banq.schema import (
    BanqsOut,
    PaidLinkIn,
    PaidLinkOut,
    PaymentOut,
    PaymentsOut,
    TransactionOut,
    TransactionsOut,
    UserOut,
    WebhookIn,
    WebhookOut,
)
from opengiro.domain.rights import Right

_CONFIG = "/v1/account-spaces/{space}/webhook-config"

ROUTES = (
    Route(
        method="POST",
        path="/v1/payments/get-paid-link",
        handler=payments.get_paid_link,
        summary="Create a payment and get its link",
        rights=(Right.MANAGE,),
        reads=PaidLinkIn,
        writes=PaidLinkOut,
        status=201,
        location="/v1/payments/{guid}",
        keeps_receipt=True,
    ),
    Route(
        method="GET",
        path="/v1/payments",
        handler=payments.list_payments,
        summary="List payments",
        rights=(Right.READ,),
        writes=PaymentsOut,
        query=payments.QUERY,
    ),
    Route(
        method="GET",
        path="/v1/payments/{resource}",
        handler=payments.read_payment,
        summary="Read a payment by guid or id",
        rights=(Right.READ,),
        writes=PaymentOut,
    ),
    Route(
        method="GET",
        path="/v1/transactions",
        handler=payments.list_transactions,
        summary="List transactions",
        rights=(Right.READ,),
        writes=TransactionsOut,
        query=payments.QUERY,
    ),
    Route(
        method="GET",
        path="/v1/transactions/{resource}",
        handler=payments.read_transaction,
        summary="Read a transaction by guid or id",
        rights=(Right.READ,),
        writes=TransactionOut,
    ),
    Route(
        method="GET",
        path="/v1/banqs",
        handler=users.list_banqs,
        summary="List the caller's banqs",
        rights=(Right.READ,),
        writes=BanqsOut,
        query=payments.PAGE,
    ),
    Route(
        method="GET",
        path="/v1/users/me",
        handler=users.read_me,
        summary="Read the caller's own profile",
        rights=(Right.PROFILE,),
        writes=UserOut,
        query=users.ME_QUERY,
    ),
    Route(
        method="POST",
        path=_CONFIG,
        handler=webhooks.create,
        summary="Make or replace the webhook of an account space",
        rights=(Right.CONFIGURE,),
        reads=WebhookIn,
        writes=WebhookOut,
        status=201,
        or_status=200,
        location="/v1/account-spaces/{accountSpaceId}/webhook-config",
    ),
    Route(
        method="PATCH",
        path=_CONFIG,
        handler=webhooks.change,
        summary="Change the webhook of an account space",
        rights=(Right.CONFIGURE,),
        reads=WebhookIn,
        writes=WebhookOut,
    ),
    Route(
        method="GET",
        path=_CONFIG,
        handler=webhooks.read,
        summary="Read the webhook of an account space",
        rights=(Right.CONFIGURE,),
        writes=WebhookOut,
    ),
    Route(
        method="DELETE",
        path=_CONFIG,
        handler=webhooks.delete,
        summary="End the webhook of an account space",
        rights=(Right.CONFIGURE,),
        status=204,
    ),
)
