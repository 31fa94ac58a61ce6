"""Who may do what: tokens, sessions, and the accounts that are checked where they enter."""
# ruff: noqa: RUF001  # letters that look like others are among what is refused

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from schwifty import IBAN

from opengiro.domain.accounts import Scheme
from opengiro.domain.identifiers import mint_token
from opengiro.domain.merchants import Application
from opengiro.domain.payment import Payment
from opengiro.domain.refusals import Refusal
from opengiro.domain.rights import FOR_ONE_PAYMENT, Principal, Right
from opengiro.usecases.authenticate import authenticate, authenticate_application, require
from opengiro.usecases.check_account import AccountFault, check_account
from opengiro.usecases.grant_token import (
    PAYMENT_LIFE,
    SERVICE_LIFE,
    grant_configuration_token,
    grant_payment_token,
    grant_service_token,
)
from opengiro.usecases.open_checkout import OpenCheckout, OpenedCheckout, load_checkout, open_checkout
from tests.usecases.test_choosing import refused
from tests.usecases.world import CLIENT as SHOP_CLIENT
from tests.usecases.world import HOME, World

CLIENT, SECRET = "1000042", "a secret of 256 bits, let us say"
MANAGER = Principal(merchant_id=1, client_id=SHOP_CLIENT, rights=frozenset({Right.MANAGE}))


async def application(world: World) -> Application:
    made = Application(
        merchant_id=1,
        client_id=CLIENT,
        name="App",
        redirect_uris=(HOME,),
        secret_hash=world.core.store.vault.fingerprint(SECRET),
        created_at=world.time(),
    )
    await world.core.store.applications.insert(made, "test")
    return made


async def scoped(world: World, payment: Payment, *rights: Right, by: Principal = MANAGER) -> str:
    return (await grant_payment_token(world.core, by, payment.payment_id, rights or {Right.VALIDATE})).token


@pytest.mark.parametrize(
    ("client", "secret"),
    [(CLIENT, "wrong"), (CLIENT, ""), ("1000043", SECRET), ("2000042", SECRET), ("", SECRET), ("x" * 99, SECRET)],
)
async def test_wrong_credentials_look_alike_whatever_is_wrong(world: World, client: str, secret: str) -> None:
    await application(world)
    assert await refused(authenticate_application(world.core, client, secret)) is Refusal.CREDENTIALS_WRONG


async def test_a_service_token_lives_half_an_hour_on_the_merchants_clock(world: World) -> None:
    await application(world)
    grant = await grant_service_token(world.core, CLIENT, SECRET, {Right.READ})
    principal = await authenticate(world.core, grant.token)
    assert (principal.merchant_id, principal.client_id, principal.rights) == (1, CLIENT, frozenset({Right.READ}))
    await world.move_clock(SERVICE_LIFE - timedelta(seconds=1))
    await authenticate(world.core, grant.token)
    await world.move_clock(timedelta(seconds=1))
    assert await refused(authenticate(world.core, grant.token)) is Refusal.TOKEN_INVALID


async def test_a_token_dies_with_its_application(world: World) -> None:
    made = await application(world)
    token = (await grant_service_token(world.core, CLIENT, SECRET, {Right.READ})).token
    await world.core.store.applications.delete(made, "test", world.time())
    assert await refused(authenticate(world.core, token)) is Refusal.TOKEN_INVALID
    assert await refused(authenticate_application(world.core, CLIENT, SECRET)) is Refusal.CREDENTIALS_WRONG


async def test_a_revoked_token_works_nowhere(world: World) -> None:
    token = await grant_configuration_token(world.core, 1)
    assert (await authenticate(world.core, token)).rights == {Right.CONFIGURE}
    await world.core.store.commit([world.core.store.tokens.revoke(token, 1, world.time())])
    assert await refused(authenticate(world.core, token)) is Refusal.TOKEN_INVALID


@pytest.mark.parametrize("token", ["", None])
async def test_no_token_is_told_apart_from_a_wrong_one(world: World, token: str | None) -> None:
    assert await refused(authenticate(world.core, token)) is Refusal.TOKEN_MISSING


@pytest.mark.parametrize(
    "token", ["x", mint_token(1, bytes(32)), mint_token(99, bytes(32)), mint_token(2**90, bytes(32))]
)
async def test_tokens_that_were_never_given_out_are_invalid(world: World, token: str) -> None:
    assert await refused(authenticate(world.core, token)) is Refusal.TOKEN_INVALID


async def test_a_payment_token_reaches_one_payment_for_seven_days(world: World) -> None:
    mine, other = await world.pay(), await world.pay()
    token = await scoped(world, mine)
    principal = await authenticate(world.core, token)
    require(principal, Right.VALIDATE, payment_id=mine.payment_id)
    for payment_id, why in ((other.payment_id, Refusal.NOT_FOUND), (None, Refusal.SCOPE_MISSING)):
        with pytest.raises(Exception, match=why):
            require(principal, Right.VALIDATE, payment_id=payment_id)
    await world.move_clock(PAYMENT_LIFE)
    assert await refused(authenticate(world.core, token)) is Refusal.TOKEN_INVALID


@pytest.mark.parametrize("right", sorted(set(Right) - FOR_ONE_PAYMENT))
async def test_a_payment_token_never_holds_a_right_beyond_its_payment(world: World, right: Right) -> None:
    everything = Principal(merchant_id=1, client_id=SHOP_CLIENT, rights=frozenset(Right))
    assert await refused(scoped(world, await world.pay(), right, by=everything)) is Refusal.SCOPE_NOT_GRANTABLE


async def test_a_payment_token_made_by_another_is_neither_wider_nor_longer_lived(world: World) -> None:
    payment = await world.pay()
    reader = await authenticate(world.core, await scoped(world, payment, Right.READ))
    assert await refused(scoped(world, payment, Right.VALIDATE, by=reader)) is Refusal.SCOPE_MISSING
    await world.move_clock(timedelta(days=3))
    grandchild = await grant_payment_token(world.core, reader, payment.payment_id, {Right.READ})
    assert grandchild.expires_at == reader.expires_at


@pytest.mark.parametrize(("merchant", "client"), [(2, "2000001"), (2, SHOP_CLIENT), (1, CLIENT)])
async def test_nobody_gets_a_token_for_a_payment_of_another(world: World, merchant: int, client: str) -> None:
    stranger = Principal(merchant_id=merchant, client_id=client, rights=frozenset({Right.MANAGE}))
    assert await refused(scoped(world, await world.pay(), by=stranger)) is Refusal.NOT_FOUND


async def visit(world: World, payment: Payment, **changes: str) -> OpenedCheckout:
    token = changes.pop("token", None) or await scoped(world, payment)
    command = OpenCheckout(
        token=token, payment_id=payment.payment_id, client_id=None, dialect="powens", **changes
    )  # fmt: skip
    return await open_checkout(world.core, command)


async def test_a_session_opens_its_own_payment_with_its_own_secret_for_a_day(world: World) -> None:
    payment = await world.pay()
    first, second = await visit(world, payment), await visit(world, payment)
    assert (await load_checkout(world.core, first.handle, first.secret)).payment == payment
    for secret in (None, "", "x", second.secret):
        assert await refused(load_checkout(world.core, first.handle, secret)) is Refusal.TOKEN_INVALID
    await world.move_clock(timedelta(days=1))
    assert await refused(load_checkout(world.core, first.handle, first.secret)) is Refusal.TOKEN_INVALID


@pytest.mark.parametrize(
    "handle", ["", "-", "1-", "1", "zz-abc", "f" * 15 + "-abc", "f" * 40 + "-abc", "-1-abc", "1_0-a"]
)
async def test_a_handle_that_was_never_given_out_is_not_found(world: World, handle: str) -> None:
    assert await refused(load_checkout(world.core, handle, "secret")) is Refusal.NOT_FOUND


async def test_a_session_leads_only_to_registered_addresses(world: World) -> None:
    payment = await world.pay()
    for evil in ("https://evil.test/", HOME + "x", HOME.upper(), "javascript:alert(1)", "//shop.test/"):
        assert await refused(visit(world, payment, redirect_uri=evil)) is Refusal.REDIRECT_UNREGISTERED
    await visit(world, payment, redirect_uri=HOME)


async def test_a_session_needs_the_right_to_validate(world: World) -> None:
    payment = await world.pay()
    reader = await scoped(world, payment, Right.READ)
    assert await refused(visit(world, payment, token=reader)) is Refusal.SCOPE_MISSING


@pytest.mark.parametrize(
    ("text", "iban", "bic"),
    [
        ("FR7630006000011234567890189", "FR7630006000011234567890189", "AGRIFRPPXXX"),
        ("fr76 3000 6000 0112 3456 7890 189", "FR7630006000011234567890189", "AGRIFRPPXXX"),
        ("DE89-3704-0044-0532-0130-00", "DE89370400440532013000", "COBADEFFXXX"),
    ],
)
def test_an_iban_is_kept_in_electronic_form_with_its_banks_bic(text: str, iban: str, bic: str) -> None:
    account = check_account(Scheme.IBAN, text, "Shop")
    assert (account.identification, account.bic) == (iban, bic)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FR7630006000011234567890188",
        "FR763000600001123456789018",
        "XX7630006000011234567890189",
        "FR76300060000112345678901890",
        "ＦＲ7630006000011234567890189",
        "A" * 100_000,
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_what_is_no_iban_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(AccountFault) as fault:
        check_account(Scheme.IBAN, text, "Shop")
    assert not text or text not in str(fault.value)


@pytest.mark.parametrize(
    ("text", "number"), [("20000055779911", "20000055779911"), ("20-00-00 55779911", "20000055779911")]
)
def test_a_sort_code_and_account_number_are_fourteen_digits(text: str, number: str) -> None:
    assert check_account(Scheme.SORT_CODE, text, "Shop").identification == number
    for wrong in (number[:-1], number + "0", "x" + number[1:]):
        with pytest.raises(AccountFault):
            check_account(Scheme.SORT_CODE, wrong, "Shop")


@pytest.mark.parametrize(
    "country", ["AT", "BE", "BG", "CH", "CY", "DE", "ES", "FR", "GB", "IT", "LU", "MT", "NL", "SM"]
)
def test_numbers_are_judged_and_banks_found_as_schwifty_does(country: str) -> None:
    chance = Random(country)  # noqa: S311  # numbers to try, the same at every run
    for _ in range(20):
        right = IBAN.random(country, random=chance)
        account = check_account(Scheme.IBAN, right, "Shop")
        assert (account.identification, account.bic) == (str(right), right.bic and str(right.bic))
        digits = f"{chance.randrange(100):02d}"
        wrong = f"{right[:2]}{digits}{right[4:]}"
        if digits != right[2:4]:
            with pytest.raises(AccountFault):
                check_account(Scheme.IBAN, wrong, "Shop")
