"""What a merchant of the banq wire has: a space, a banq to be paid to, an API login and a person who logs in."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx2
from argon2 import PasswordHasher

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.banks import Redirect
from opengiro.domain.spaces import MerchantAccount, Space
from opengiro.usecases import check_password
from opengiro.usecases.choose_bank import ChooseBank, choose_bank
from opengiro.usecases.register_user import NewUser, open_account, open_space, register_user
from tests.server import IBAN, Credentials, House, until
from tests.workers.sink import Sink

OPEN = "https://banq.com/open/api/"
USER = "https://banq.com/api"
PUBLIC_CLIENT = "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim"
ACTOR = "test"
# Slow on purpose, which is the right thing to leave out where every test has users of its own.
check_password._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass(slots=True, kw_only=True)
class Banq:
    """A merchant's side of the wire, over real HTTP."""

    house: House
    credentials: Credentials
    space: Space
    account: MerchantAccount
    username: str
    password: str
    email: str
    email_password: str
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The base URL as the guides have it."""
        return f"{self.house.base_url}/api/"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for."""
        return f"{self.house.base_url}/oauth/token"

    def login(self, **changes: Any) -> dict[str, Any]:
        """Return the body that asks for an Open API token."""
        return {
            "client_id": self.credentials.client_id,
            "username": self.username,
            "password": self.password,
            "audience": OPEN,
            "grant_type": "password",
        } | changes

    def user_login(self, **changes: Any) -> dict[str, Any]:
        """Return the body that asks for a user token."""
        return {
            "audience": USER,
            "scope": "offline_access",
            "client_id": PUBLIC_CLIENT,
            "grant_type": "password",
            "username": self.email,
            "password": self.email_password,
        } | changes

    async def grant(self, body: dict[str, Any]) -> httpx2.Response:
        """Ask for a token."""
        return await self.house.http.post(self.token_url, json=body)

    async def token(self, audience: str = OPEN) -> str:
        """Return a token for an audience, remembered."""
        if audience not in self._tokens:
            answer = await self.grant(self.login() if audience == OPEN else self.user_login())
            self._tokens[audience] = answer.json()["access_token"]
        return self._tokens[audience]

    def forget_tokens(self) -> None:
        """Log in again at the next call, as after the clock was moved."""
        self._tokens.clear()

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> httpx2.Response:
        """Call the wire: `call("GET", "v1/payments")`, with the Open API token unless another is given."""
        token = await self.token() if token is None else token
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["authorization"] = f"Bearer {token}"
        content = {} if body is None else {"json": body}
        return await self.house.http.request(method, self.api + path, headers=sent, **content)

    def order(self, **changes: Any) -> dict[str, Any]:
        """Return the body of `get-paid-link`."""
        return {
            "destination": {"banqGuid": self.account.account_id},
            "comment": "Two tickets",
            "funds": 100,
            "externalOrderCode": "order-77",
            "frequency": "once",
        } | changes

    async def pay(self, created: dict[str, Any], use_case: str = "redirect") -> None:
        """Play the payer of a payment at the test bank, as far as the bank's page."""
        command = ChooseBank(
            merchant_id=self.credentials.merchant_id,
            payment_id=created["id"],
            bank_id=self.house.test_bank,
            back_to=self.house.base_url,
            fields={"use_case_pay": use_case},
        )
        standing = await choose_bank(self.house.core, command)
        if standing.attempt and isinstance(standing.attempt.action, Redirect):
            await self.house.http.get(standing.attempt.action.url)

    async def hear(self, receiver: Sink, **changes: Any) -> httpx2.Response:
        """Configure the space's webhook."""
        body = {"url": receiver.url, "enabled": True, "retryCount": 5, "webHookTypes": ["payment", "transaction"]}
        return await self.call("POST", self.config, body | changes)

    @property
    def config(self) -> str:
        """Path of the space's webhook-config."""
        return f"v1/account-spaces/{self.space.space_id}/webhook-config"

    async def heard(self, receiver: Sink, action: str, resource: str) -> dict[str, Any]:
        """Return the event of this action once it arrived."""

        async def look() -> dict[str, Any] | None:
            told = map(json.loads, [request.body for request in receiver.requests])
            return next((one for one in told if (one["action"], one["resourceType"]) == (action, resource)), None)

        found = await until(look)
        assert found is not None
        return found

    async def settled(self, created: dict[str, Any], *statuses: str) -> dict[str, Any]:
        """Return the payment once it has one of these statuses."""

        async def look() -> dict[str, Any] | None:
            read: dict[str, Any] = (await self.call("GET", f"v1/payments/{created['guid']}")).json()
            return read if read["status"] in statuses else None

        found = await until(look)
        assert found is not None
        return found

    async def get_paid(self, **changes: Any) -> dict[str, Any]:
        """Create a payment and return it as the wire prints it."""
        answer = await self.call("POST", "v1/payments/get-paid-link", self.order(**changes))
        created: dict[str, Any] = answer.json()
        return created


async def move_in(house: House, credentials: Credentials, name: str) -> Banq:
    """Give a merchant of the house a space with one banq and two logins."""
    merchant_id = credentials.merchant_id
    space = await open_space(house.core, merchant_id, name, f"company-{name}", ACTOR)
    payee = Account(Scheme.IBAN, IBAN, f"{name} SARL")
    account = await open_account(house.core, space, f"{name} till", "EUR", payee, ACTOR)
    passwords = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    api = NewUser(username=f"{name}-api", password=passwords[0], space_ids=(space.space_id,),
                  client_id=credentials.client_id)  # fmt: skip
    person = NewUser(username=f"{name}@shop.test", password=passwords[1], space_ids=(space.space_id,))
    for user in (api, person):
        await register_user(house.core, merchant_id, user, ACTOR)
    return Banq(
        house=house,
        credentials=credentials,
        space=space,
        account=account,
        username=api.username,
        password=api.password,
        email=person.username,
        email_password=person.password,
    )
