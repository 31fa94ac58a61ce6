"""End-to-end encryption of field values: the key that clients encrypt to (PC21)."""

from __future__ import annotations

from msgspec import Struct

from opengiro.dialects import Answer, Call
from opengiro.dialects.powens.write import answer
from opengiro.domain.complaints import Complaints
from opengiro.store.fields_key import FieldsKey, SealBroken


class PublicKeyOut(Struct):
    """A JWK; ciphertexts name its `kid`."""

    kty: str
    kid: str
    use: str
    alg: str
    n: str
    e: str


async def read_public_key(call: Call) -> Answer:
    """Read the key that clients encrypt field values to."""
    return answer(PublicKeyOut(**call.core.fields_key.public))


def open_fields(key: FieldsKey, fields: dict[str, str], wrong: Complaints) -> dict[str, str]:
    """Return the values in clear; clear text passes as it is, as official samples send it."""
    opened = {}
    for name, value in fields.items():
        try:
            opened[name] = key.open(value)
        except SealBroken as broken:
            wrong.add(f"fields.{name}", str(broken))
    return opened
