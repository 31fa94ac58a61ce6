"""Terms of the powens wire: the text, whether this payer has still to agree, and that they did (PC19)."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.payments import own_payment
from opengiro.dialects.powens.read import read_body
from opengiro.dialects.powens.write import answer, write_datetime
from opengiro.domain.complaints import Complaints
from opengiro.usecases.accept_terms import accept_terms, has_accepted, load_terms
from opengiro.usecases.merchant_at import merchant_at


class TermsIn(Struct):
    """Body of `POST /payments/{id}/terms`."""

    id_terms: int | None = None


class TermsOut(Struct):
    """Terms of one payment; `to_sign` is present while the payer has to agree (PC19, PU18)."""

    id: int
    version: str | None
    created: str | None
    deleted: None
    id_file: None
    to_sign: bool | UnsetType = UNSET


class TermsIdOut(Struct):
    """Which terms a text is."""

    id: int


class TermsTextOut(Struct):
    """The text of the terms."""

    terms: TermsIdOut
    content: str
    language: str


class SuccessOut(Struct):
    """That it worked."""

    success: str = "ok"


async def read_terms(call: Call) -> Answer:
    """Read which terms the payer of a payment has to agree to, or has; where there are none they count as signed."""
    payment = await own_payment(call)
    terms = await load_terms(call.core, payment.merchant_id)
    if terms is None:
        return answer(TermsOut(id=0, version=None, created=None, deleted=None, id_file=None))
    merchant = await call.core.merchant(payment.merchant_id)
    signed = await has_accepted(call.core, payment, terms)
    return answer(
        TermsOut(
            id=terms.terms_id,
            version=terms.version,
            created=write_datetime(terms.created_at, merchant.zone),
            deleted=None,
            id_file=None,
            to_sign=UNSET if signed else True,
        )
    )


async def sign_terms(call: Call) -> Answer:
    """Record that the payer agreed."""
    body = read_body(call, TermsIn)
    wrong = Complaints()
    wrong.need(body.id_terms, "id_terms")
    wrong.raise_any()
    await accept_terms(call.core, await own_payment(call), body.id_terms or 0)
    return answer(SuccessOut())


async def read_terms_text(call: Call) -> Answer:
    """Read the text, for everyone: the caller's merchant's, or that of the merchant whose host was called."""
    caller = call.principal
    merchant_id = caller.merchant_id if caller else await merchant_at(call.core, call.headers.get("host", ""))
    terms = None if merchant_id is None else await load_terms(call.core, merchant_id)
    if terms is None:
        return answer(TermsTextOut(terms=TermsIdOut(0), content="", language="en"))
    return answer(TermsTextOut(terms=TermsIdOut(terms.terms_id), content=terms.content, language=terms.language))
