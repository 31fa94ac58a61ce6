"""Passwords: hashed slowly on purpose, off the event loop, and few at once so that logins cannot take the machine.

An unknown user costs what a known one costs. Whoever tries too often is turned away before anything is hashed.
"""

from __future__ import annotations

import asyncio
import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from opengiro.domain.refusals import Refusal, Refused
from opengiro.domain.spaces import User
from opengiro.usecases import Core

PASSWORD_LENGTH_MAX = 1024
USERNAME_LENGTH_MAX = 320
# The second of the two argon2id profiles of RFC 9106 is too dear for a login a second; this is OWASP's least.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


async def hash_password(password: str) -> str:
    """Return what is kept of a password."""
    return await asyncio.get_running_loop().run_in_executor(_hashing, _hasher.hash, password)


async def check_password(core: Core, client_id: str, username: str, password: str) -> User:
    """Return the user whose password this is; raises `Refused`, and tells nothing about who exists."""
    if len(username) > USERNAME_LENGTH_MAX or len(password) > PASSWORD_LENGTH_MAX:
        raise Refused(Refusal.LOGIN_WRONG)
    tries = core.store.vault.index(f"tries/{client_id}/{username.casefold()}")
    wait = core.logins.enter(tries, core.clock.real())
    if wait is not None:
        raise Refused(Refusal.TOO_MANY_REQUESTS, wait_s=math.ceil(wait.total_seconds()))
    user = await core.store.users.by_username(username)
    kept = user.password_hash if user else _nobodys()
    right = await asyncio.get_running_loop().run_in_executor(_hashing, _matches, kept, password)
    if user is None or not right:
        raise Refused(Refusal.LOGIN_WRONG)
    core.logins.forgive(tries)
    return user


def _matches(kept: str, password: str) -> bool:
    try:
        return _hasher.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    """Return the hash of a password that nobody knows, made once."""
    return _hasher.hash(os.urandom(32))
