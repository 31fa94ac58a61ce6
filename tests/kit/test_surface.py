"""What the kit promises to the code that imports it; a name may only leave with a new major version."""

import inspect

import opengiro_kit
import pytest
from opengiro_kit import banq, powens
from opengiro_kit.live import LiveToken

POWENS = """
    Account AsyncPowensClient BankAccount ClientApplication Connector Credentials Currency Execution Identity
    Instruction NewInstruction NewPayment Payment PaymentAction PaymentField PaymentPage PaymentSettings PaymentState
    PowensClient PowensError ScopedToken SigningSecret Terms Webhook webview_url
"""
BANQ = """
    PUBLIC_CLIENT_ID Account AccountList AccountSpace AsyncBanqClient BanqClient BanqError BanqEvent Credentials
    Destination Frequency Include NewPayment PaidLink Party Payment PaymentList PaymentStatus Recurrence Resource
    Spelling Topic Transaction TransactionList User WebhookConfig read_event
"""
KIT = """
    AnyPayment AsyncBanqClient AsyncPowensClient BanqClient BanqError Claim ClaimLost Credentials Declined Doubt
    Finished Ledger Order Outcome Patience Payment PaymentEvent PaymentState PowensClient PowensError Settlement
    SqliteLedger Standing Unreachable WebhookRefused read_event settle settle_async
"""
POWENS_CLIENT = """
    accept_terms allow_redirects cancel client_application close confirm connector connectors create_payment
    create_signing_secret create_webhook delete_webhook live_token payment payments psu_validate resume scoped_token
    submit_fields terms validate webhooks webview_url
"""
BANQ_CLIENT = """
    banqs cancel change_webhook_config close create_webhook_config delete_webhook_config get_paid_link live_token me
    payment payments transaction transactions webhook_config
"""
CLIENTS = [
    (powens.PowensClient, powens.AsyncPowensClient, POWENS_CLIENT.split()),
    (banq.BanqClient, banq.AsyncBanqClient, BANQ_CLIENT.split()),
]


def test_the_public_names_are_these() -> None:
    assert opengiro_kit.__all__ == KIT.split()
    assert powens.__all__ == POWENS.split()
    assert banq.__all__ == BANQ.split()


@pytest.mark.parametrize(("blocking", "waiting", "calls"), CLIENTS)
def test_both_clients_of_a_wire_offer_the_same_calls(blocking: type, waiting: type, calls: list[str]) -> None:
    for client in (blocking, waiting):
        methods = [name for name, _ in inspect.getmembers(client, inspect.isfunction) if name[0] != "_"]
        assert methods == calls
    for name in calls:
        assert inspect.signature(getattr(blocking, name)) == inspect.signature(getattr(waiting, name))


def test_secrets_stay_out_of_what_is_printed() -> None:
    credentials = powens.Credentials("http://x/2.0", "1", "the-secret", "d", "the-config-token")
    token = powens.ScopedToken("the-token", "payments:validate", 7)
    secret = powens.SigningSecret(1, "shop", "the-signing-secret")
    other = banq.Credentials("http://x/api/", "http://x/oauth/token", "1", "u", "the-password", "the-secret")
    live = LiveToken("http://x/live/1", "the-token", 900)
    config = banq.WebhookConfig(secret="the-secret")
    assert "the-" not in f"{credentials!r} {token!r} {token} {secret!r} {other!r} {live!r} {config!r}"
