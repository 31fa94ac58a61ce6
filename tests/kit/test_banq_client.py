"""The banq client over real HTTP, against a service like the reference and one as silent as the original."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from opengiro_kit import AsyncBanqClient, BanqClient, BanqError, Patience, Standing, Unreachable
from opengiro_kit.banq import (
    Destination,
    Frequency,
    Include,
    NewPayment,
    Payment,
    PaymentStatus,
    Spelling,
    Topic,
    Transaction,
    wire,
)
from starlette.responses import JSONResponse, Response

from tests.kit.banq_wire import BANQ, SPACE, BanqWire

BRISK = Patience(first_pause_s=0.01, pause_max_s=1)


def new_payment(funds: str = "50.90") -> NewPayment:
    return NewPayment(funds=Decimal(funds), comment="A kite", external_order_code="order-77")


@pytest.fixture
def client(banq_wire: BanqWire) -> BanqClient:
    return BanqClient(banq_wire.credentials, patience=BRISK)


def test_a_link_is_made_and_its_payment_read_back_to_the_cent(client: BanqClient, banq_wire: BanqWire) -> None:
    link = client.get_paid_link(new_payment("50.90"))
    assert link.payment is not None
    read = client.payment(link.payment.guid)
    assert link.url == read.url
    assert (read.status, read.standing) == (PaymentStatus.CREATED, Standing.WAITING)
    assert (read.amount, read.currency, read.order_code) == (Decimal("50.90"), "EUR", "order-77")
    assert banq_wire.payments[read.guid]["destination"]["banq"]["banqGuid"] == BANQ


async def test_the_asynchronous_client_does_the_same(banq_wire: BanqWire) -> None:
    async with AsyncBanqClient(banq_wire.credentials) as client:
        link = await client.get_paid_link(new_payment())
        assert link.payment is not None
        assert await client.payment(link.payment.guid) == link.payment
        assert (await client.payments(external_order_code="order-77", limit=5)).total == 1
        assert (await client.payments(external_order_code="another")).payments == ()


def test_the_body_is_the_one_the_guides_print() -> None:
    payment = NewPayment(
        funds=Decimal(100),
        comment="string",
        external_order_code="order-77",
        frequency=Frequency.MONTHLY,
        start_date=date(2021, 6, 15),
        end_date=date(2021, 7, 15),
        destination=Destination(banq_guid=BANQ),
    )
    assert msgspec.json.decode(wire.get_paid_link(payment, "", "key").request.body or b"") == {
        "destination": {"banqGuid": BANQ},
        "comment": "string",
        "funds": 100,
        "externalOrderCode": "order-77",
        "frequency": "monthly",
        "startDate": "2021-06-15",
        "endDate": "2021-07-15",
    }


@pytest.mark.parametrize(("funds", "digits"), [("0.1", "0.1"), ("19.90", "19.90"), ("1E+2", "100")])
def test_amounts_are_sent_digit_by_digit(funds: str, digits: str) -> None:
    body = wire.get_paid_link(new_payment(funds), BANQ, "key").request.body
    assert body is not None
    assert f'"funds":{digits},'.encode() in body


@pytest.mark.parametrize("funds", [50.90, "50.90"])
def test_nothing_but_a_decimal_is_an_amount(funds: object) -> None:
    with pytest.raises(TypeError, match="Decimal"):
        NewPayment(funds=funds, comment="x", external_order_code="1")  # type: ignore[arg-type]  # the point of it


@pytest.mark.parametrize("funds", ["0", "-1", "NaN", "Infinity"])
def test_an_amount_is_more_than_zero(funds: str) -> None:
    with pytest.raises(ValueError, match="more than zero"):
        new_payment(funds)


@pytest.mark.parametrize("spelling", Spelling)
def test_both_published_spellings_are_spoken(banq_wire: BanqWire, spelling: Spelling) -> None:
    BanqClient(replace(banq_wire.credentials, spelling=spelling)).get_paid_link(new_payment())
    name, password = spelling.value
    assert banq_wire.grants == [
        {
            "client_id": "the-client",
            name: "the-name",
            password: "the-password",
            "audience": "https://banq.com/open/api/",
            "grant_type": "password",
        }
    ]


def test_a_client_secret_asks_by_client_credentials(banq_wire: BanqWire) -> None:
    BanqClient(replace(banq_wire.credentials, client_secret="the-secret")).get_paid_link(new_payment())
    assert banq_wire.grants == [
        {
            "client_id": "the-client",
            "client_secret": "the-secret",
            "audience": "https://banq.com/open/api/",
            "grant_type": "client_credentials",
        }
    ]


def test_the_merchants_user_finds_spaces_and_accounts(client: BanqClient, banq_wire: BanqWire) -> None:
    user = client.me()
    assert [(one.banq_guid, one.account_space_id) for one in user.banq_accounts] == [(BANQ, SPACE)]
    assert [one.account_space_id for one in user.account_spaces] == [SPACE]
    assert client.me((Include.ACCOUNT_SPACES,)).banq_accounts == ()
    assert banq_wire.grants == [
        {
            "audience": "https://banq.com/api",
            "scope": "offline_access",
            "client_id": "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim",
            "grant_type": "password",
            "username": "ada@shop.example",
            "password": "her-password",
        }
    ]


def test_each_audience_has_a_token_and_it_serves_many_calls(client: BanqClient, banq_wire: BanqWire) -> None:
    for _ in range(3):
        client.me()
        client.get_paid_link(new_payment())
    assert [one["audience"] for one in banq_wire.grants] == ["https://banq.com/api", "https://banq.com/open/api/"]


def test_a_user_token_is_refreshed_and_each_refresh_token_used_once(banq_wire: BanqWire) -> None:
    now_s = [0.0]
    client = BanqClient(banq_wire.credentials, clock=lambda: now_s[0])
    for _ in range(3):
        client.me()
        now_s[0] += 86_400
    assert [one["grant_type"] for one in banq_wire.grants] == ["password", "refresh_token", "refresh_token"]
    used = [one["refresh_token"] for one in banq_wire.grants[1:]]
    assert len(set(used)) == 2


def test_a_refused_refresh_falls_back_to_the_password(banq_wire: BanqWire) -> None:
    now_s = [0.0]
    client = BanqClient(banq_wire.credentials, clock=lambda: now_s[0])
    client.me()
    banq_wire.refreshes.clear()
    now_s[0] += 86_400
    assert client.me().email == "ada@shop.example"
    assert [one["grant_type"] for one in banq_wire.grants] == ["password", "refresh_token", "password"]


@pytest.mark.parametrize(("life_s", "tokens"), [(86_339, 1), (86_340, 2)])
def test_a_token_is_renewed_a_minute_before_its_end(banq_wire: BanqWire, life_s: int, tokens: int) -> None:
    now_s = [0.0]
    client = BanqClient(banq_wire.credentials, clock=lambda: now_s[0])
    client.get_paid_link(new_payment())
    now_s[0] += life_s
    client.get_paid_link(new_payment())
    assert len(banq_wire.grants) == tokens


def test_a_forgotten_token_is_renewed_once(client: BanqClient, banq_wire: BanqWire) -> None:
    client.get_paid_link(new_payment())
    banq_wire.tokens.clear()
    client.get_paid_link(new_payment())
    assert len(banq_wire.grants) == 2


def test_wrong_credentials_are_told_in_the_words_of_the_token_endpoint(banq_wire: BanqWire) -> None:
    client = BanqClient(replace(banq_wire.credentials, password="wrong"))
    with pytest.raises(BanqError) as refusal:
        client.get_paid_link(new_payment())
    told = refusal.value
    assert (told.status, told.code, told.description) == (403, "invalid_grant", "Wrong user name or password.")
    assert len(banq_wire.grants) == 1


def test_an_error_names_its_code_and_request(client: BanqClient, banq_wire: BanqWire) -> None:
    with pytest.raises(BanqError, match="not_found, HTTP 404: the double says not_found"):
        client.payment("7a9b3c4d-0000-4000-8000-000000000000")
    body = {"error": "internal_error", "message": "oops"}
    banq_wire.answered_first.append(JSONResponse(body, 500, {"x-request-id": "99"}))
    with pytest.raises(BanqError, match=r"\(request 99\)"):
        client.payments()


@pytest.mark.parametrize("reference", ["", ".", ".."])
def test_a_reference_cannot_climb_out_of_its_path(client: BanqClient, reference: str) -> None:
    with pytest.raises(ValueError, match="name"):
        client.payment(reference)
    assert wire.payment("a/../b?c").request.path == "/v1/payments/a%2F..%2Fb%3Fc"


def test_a_read_is_repeated_while_the_service_is_busy(client: BanqClient, banq_wire: BanqWire) -> None:
    banq_wire.answered_first += [Response(status_code=503, headers={"retry-after": "0"})] * 2
    assert client.payments().total == 0
    assert banq_wire.called("GET", "/v1/payments") == 3


def test_creating_waits_for_the_first_call_under_the_same_key(client: BanqClient, banq_wire: BanqWire) -> None:
    banq_wire.answered_first.append(JSONResponse({"error": "conflict", "message": "wait"}, 409))
    assert client.get_paid_link(new_payment()).url


def test_the_same_key_answers_the_same_link_and_each_call_has_its_own(client: BanqClient, banq_wire: BanqWire) -> None:
    first = client.get_paid_link(new_payment(), idempotency_key="order-77")
    assert client.get_paid_link(new_payment(), idempotency_key="order-77") == first
    client.get_paid_link(new_payment())
    client.get_paid_link(new_payment())
    assert len(banq_wire.payments) == 3
    with pytest.raises(BanqError, match="idempotency_mismatch, HTTP 422"):
        client.get_paid_link(new_payment("1"), idempotency_key="order-77")


def test_the_company_is_named_only_where_there_is_one(banq_wire: BanqWire) -> None:
    BanqClient(banq_wire.credentials).payments()
    assert not any("x-company-id" in headers for headers in banq_wire.heard)
    BanqClient(replace(banq_wire.credentials, company_id="acme")).payments()
    assert banq_wire.heard[-1]["x-company-id"] == "acme"


def test_a_webhook_is_registered_changed_and_removed(client: BanqClient, banq_wire: BanqWire) -> None:
    created = client.create_webhook_config("https://shop.example/hooks")
    assert banq_wire.config == {
        "url": "https://shop.example/hooks",
        "enabled": True,
        "retryCount": 5,
        "webHookTypes": ["payment", "transaction"],
        "accountSpaceId": SPACE,
    }
    assert (created.secret, created.topics) == ("whsec_c2VjcmV0", (Topic.PAYMENT, Topic.TRANSACTION))
    assert "whsec" not in repr(created)
    changed = client.change_webhook_config(enabled=False, retry_count=9, topics=(Topic.PAYMENT,))
    assert (changed.enabled, changed.retry_count, changed.topics) == (False, 9, (Topic.PAYMENT,))
    assert client.webhook_config() == changed
    client.delete_webhook_config()
    assert banq_wire.config is None


def test_live_status_is_handed_on(client: BanqClient, banq_wire: BanqWire) -> None:
    link = client.get_paid_link(new_payment())
    assert link.payment is not None
    live = client.live_token(link.payment.guid)
    assert (live.url, live.token) == (f"{banq_wire.base_url}/live/{link.payment.id}", "live")
    assert "token" not in repr(live)


def test_a_service_that_answers_nothing_but_the_link_is_enough(original_banq: BanqWire) -> None:
    client = BanqClient(replace(original_banq.credentials, currency="USD"))
    link = client.get_paid_link(new_payment())
    assert link.url == original_banq.payments[original_banq.guids[0]]["url"]
    assert link.payment is None
    read = client.payment(original_banq.guids[0])
    assert (read.amount, read.currency, read.order_code) == (Decimal("50.90"), "USD", "order-77")


def test_a_registration_without_an_answer_is_one_all_the_same(original_banq: BanqWire) -> None:
    config = BanqClient(original_banq.credentials).create_webhook_config("https://shop.example/hooks")
    assert (config.url, config.secret) == (None, None)
    assert original_banq.config is not None


def test_an_error_in_no_known_format_is_kept_as_it_came(original_banq: BanqWire) -> None:
    with pytest.raises(BanqError) as refusal:
        BanqClient(original_banq.credentials).payment("missing")
    assert (refusal.value.status, refusal.value.description) == (404, "<p>not_found")


def test_the_surviving_sample_is_read() -> None:
    body = b"""{"id": 40112, "guid": "5f0c1d2e-0000-4000-8000-000000000001", "type": "pay", "flowType": "default",
        "moveType": "internal", "paymentGuid": "7a9b3c4d-0000-4000-8000-000000000001",
        "externalOrderCode": "order-77", "recurrence": {"frequency": "once", "startDate": "2021-09-22T00:00:00"},
        "source": {"userId": "1c2d3e4f-0000-4000-8000-000000000001", "type": "banq", "accountType": "personal",
        "accountId": 2041, "banq": {"id": 3307, "banqGuid": "9e8d7c6b-0000-4000-8000-000000000001",
        "custodialNumber": 410000000001, "banqName": "tips", "transactionName": "AdaTips"}}, "status": "completed"}"""
    told = msgspec.json.decode(body, type=Transaction)
    assert told.source is not None
    assert told.source.banq is not None
    assert (told.source.banq.custodial_number, told.standing) == (410000000001, Standing.PAID)


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("created", Standing.WAITING),
        ("processing", Standing.WAITING),
        ("escrowed", Standing.WAITING),
        ("completed", Standing.PAID),
        ("failed", Standing.FAILED),
        ("cancelled", Standing.FAILED),
        ("expired", Standing.FAILED),
    ],
)
def test_each_status_has_its_standing(status: str, standing: Standing) -> None:
    payment = msgspec.json.decode(b'{"guid":"g","status":"%s"}' % status.encode(), type=Payment)
    assert payment.status == status
    assert payment.standing is standing


def test_nobody_at_home_is_unreachable(banq_wire: BanqWire) -> None:
    away = replace(banq_wire.credentials, token_url="http://127.0.0.1:9/oauth/token")
    with pytest.raises(Unreachable, match="/oauth/token"):
        BanqClient(away, patience=BRISK).payments()
