"""What a merchant of the banq wire has: a space, a banq to be paid to, an API login and a person who logs in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx2

from opengiro.domain.accounts import Account, Scheme
from opengiro.domain.spaces import MerchantAccount, Space
from opengiro.usecases.register_user import NewUser, open_account, open_space, register_user
from tests.server import IBAN, Credentials, House

OPEN = "https://banq.com/open/api/"
USER = "https://banq.com/api"
PUBLIC_CLIENT = "kFLEhEsxxBWCf0X19hAIjbzYaSyn2cim"
ACTOR = "test"


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
