"""Short-lived secrets for phones whose user has signed in some other way: a browser's page.

A pass is a user name that says whose it is, until when and with which session,
``1001~1763789000~9f86…``, and a password that follows from it by a key of the nodes'; so nothing is
stored, and every node of a cluster with the same key takes it while the session lasts. (TURN
servers hand out theirs the same way: draft-uberti-behave-turn-rest.)
"""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from telephony.authentication import CredentialStore
from telephony.sip.digest import MARK, Algorithm, hash_secret

LIFETIME: Final = 3600.0
"""Seconds. A page renews its pass long before; one that was copied is worthless the same day."""

_PURPOSE = b"phone passes"
_MOST_DIGITS: Final = 15  # of an expiry; int() refuses a text of thousands with an error


@dataclass(frozen=True, slots=True)
class Pass:
    """What a phone authenticates with.

    Attributes:
        username: for the digest; the address-of-record is what stands before the mark.
        password: that goes with it.
        expires_at: Unix seconds.
    """

    username: str
    password: str = field(repr=False)
    expires_at: float


class PhonePasses:
    """Passes beside the passwords of a credential store, and itself such a store.

    Args:
        store: of the phones that have passwords; it says which users there are.
        realm: the digest realm.
        secret: shared by the nodes of a cluster.
        lasts: tells whether the session with a digest goes on.
        wall_clock: Unix seconds.
        lifetime: of a pass, seconds.
    """

    def __init__(
        self,
        store: CredentialStore,
        *,
        realm: str,
        secret: bytes,
        lasts: Callable[[str], Awaitable[bool]],
        wall_clock: Callable[[], float] = time.time,
        lifetime: float = LIFETIME,
    ) -> None:
        self._store = store
        self._realm = realm
        self._key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
        self._lasts = lasts
        self._wall_clock = wall_clock
        self._lifetime = lifetime

    def issue(self, user: str, session: str) -> Pass:
        """Return a pass for a user.

        Args:
            user: the address-of-record's user part.
            session: the digest of the session that he asks with; the pass ends with it.

        Raises:
            ValueError: his name, or the digest, has the mark in it.
        """
        if MARK in user or MARK in session:
            raise ValueError(f"{MARK} in the name of a user or session")
        expires_at = int(self._wall_clock() + self._lifetime)
        username = f"{user}{MARK}{expires_at}{MARK}{session}"
        return Pass(username, self._password(username), expires_at)

    async def ha1(self, username: str, algorithm: Algorithm) -> str | None:
        """Return hex H(username:realm:password); None for an unknown user and a pass that is over.

        See :class:`~telephony.authentication.CredentialStore`.
        """
        user, mark, rest = username.partition(MARK)
        if not mark:
            return await self._store.ha1(username, algorithm)
        until, _, session = rest.partition(MARK)
        if not (until.isascii() and until.isdecimal()) or len(until) > _MOST_DIGITS:
            return None
        if int(until) <= self._wall_clock():
            return None
        if await self._store.ha1(user, algorithm) is None or not await self._lasts(session):
            return None  # his account is gone, or he has signed out
        return hash_secret(username, self._realm, self._password(username), algorithm)

    def _password(self, username: str) -> str:
        made = hmac.digest(self._key, username.encode(), hashlib.sha256)
        return urlsafe_b64encode(made[:24]).decode()
