"""What the kit promises to the code that imports it; a name may only leave with a new major version."""

import inspect

import opengiro_kit
from opengiro_kit import powens

POWENS = """
    Account AsyncPowensClient BankAccount ClientApplication Connector Credentials Currency Execution Identity
    Instruction NewInstruction NewPayment Payment PaymentAction PaymentField PaymentPage PaymentSettings PaymentState
    PowensClient PowensError ScopedToken SigningSecret Terms Webhook webview_url
"""
KIT = """
    AsyncPowensClient Claim ClaimLost Credentials Doubt Finished Ledger Order Outcome Patience Payment PaymentEvent
    PaymentState PowensClient PowensError Settlement SqliteLedger Unreachable WebhookRefused read_event settle
    settle_async
"""
CLIENT = """
    accept_terms allow_redirects cancel client_application close confirm connector connectors create_payment
    create_signing_secret create_webhook delete_webhook payment payments psu_validate resume scoped_token
    submit_fields terms validate webhooks webview_url
"""


def test_the_public_names_are_these() -> None:
    assert opengiro_kit.__all__ == KIT.split()
    assert powens.__all__ == POWENS.split()


def test_both_clients_offer_the_same_calls() -> None:
    for client in (powens.PowensClient, powens.AsyncPowensClient):
        methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction) if name[0] != "_"}
        assert methods == set(CLIENT.split())


def test_both_clients_take_the_same_arguments() -> None:
    for name in CLIENT.split():
        blocking = inspect.signature(getattr(powens.PowensClient, name))
        waiting = inspect.signature(getattr(powens.AsyncPowensClient, name))
        assert blocking == waiting


def test_secrets_stay_out_of_what_is_printed() -> None:
    credentials = powens.Credentials("http://x/2.0", "1", "the-secret", "d", "the-config-token")
    token = powens.ScopedToken("the-token", "payments:validate", 7)
    secret = powens.SigningSecret(1, "shop", "the-signing-secret")
    assert "the-" not in f"{credentials!r} {token!r} {token} {secret!r}"
